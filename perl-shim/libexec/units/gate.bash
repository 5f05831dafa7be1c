# What a rewritten script calls around its units. Begins in ../units.bash.

# Before a unit: whether it is to be run now. __rr_status is `$?` as the script left it.
__rr_gate() { # ID KIND ARGUMENTS-OF-THE-SCRIPT…
    __rr_do=''
    [[ $__rr_mode != off ]] || return 0
    # In a subshell nothing can be restored, so the unit that it belongs to is one.
    ((BASH_SUBSHELL == 0)) || return 0
    # Called from somewhere else than a unit of its own: part of that unit.
    ((${#FUNCNAME[@]} - 2 <= __rr_depth)) || return 0
    # Nor is a function that a condition or a trap calls, after one that a unit called.
    ((${#FUNCNAME[@]} == 2)) || [[ $1 == "$__rr_inside".* ]] || return 0
    __rr_depth=$((${#FUNCNAME[@]} - 2))
    ((__rr_depth > 0)) || __rr_inside=''
    __rr_see_descriptors
    [[ -n $__rr_fds ]] || __rr_fds=$__rr_text
    if [[ $__rr_mode == skip ]]; then
        __rr_skip "$1" "$2" || return 1
        [[ $__rr_mode == skip || ! -e $__rr_dir/stop ]] || __rr_rest
        return 0
    fi
    __rr_calling='' __rr_full=$1
    ((__rr_depth == 0)) || __rr_full="$__rr_callid>$1"
    # What the shell has open can not be opened again, nor can what runs in the background go on.
    [[ $2 != n && $__rr_text == "$__rr_fds" ]] || return 0
    # One that was begun where it could not be read: by a function's arguments, in a sourced file.
    if ((__rr_jobs)); then
        builtin jobs -p >| "$__rr_dir/jobs"
        [[ ! -s $__rr_dir/jobs ]] || return 0
    fi
    __rr_see_functions
    ! ((__rr_open)) || __rr_bear_moving || return 0
    if ((__rr_depth && BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501)); then
        __rr_lists_locals || return 0
    fi
    __rr_save "$@"
    if [[ $2 == c:* ]]; then
        __rr_calling=${2#c:} __rr_callid=$1 __rr_call_seq=$__rr_seq
    fi
    [[ ! -e $__rr_dir/stop ]] || __rr_rest
    return 0
}

# `$?` again, as it was before the gate.
__rr_st() {
    return "$__rr_status"
}

# Whether conditions are to be asked and words expanded: not on the way to the unit that was interrupted.
__rr_run() {
    [[ $__rr_mode != skip ]]
}

# Whether the unit that was interrupted lies in this branch.
__rr_at() { # ID-OF-THE-BRANCH
    if ((__rr_depth == 0)); then
        [[ $__rr_t0 == "$1".* ]]
    else
        [[ $__rr_t1 == "$1".* ]]
    fi
}

# The words of a loop, expanded once.
__rr_list() { # VARIABLE-SUFFIX WORDS…
    __rr_status=$?
    builtin eval "__rr_I_$1=0; shift; __rr_L_$1=(\"\$@\")"
    return "$__rr_status"
}

# At the start of each turn of a loop; the first turn of a resumed one is the one that was interrupted.
__rr_next() { # VARIABLE-SUFFIX
    __rr_status=$?
    if [[ $__rr_mode == skip ]]; then
        builtin eval "__rr_I_$1=1"
    else
        builtin eval "__rr_I_$1=\$((\${__rr_I_$1:-0} + 1))"
    fi
    return "$__rr_status"
}

# The first thing in a function. On the way to a unit in it, __rr_do makes its variables local, before a loop sets one.
__rr_push() { # ID-OF-THE-FUNCTION NAMES-THAT-IT-DECLARES-WITHOUT-A-VALUE…
    __rr_status=$? __rr_do=''
    if ((BASH_SUBSHELL == 0 && __rr_depth == 0 && ${#FUNCNAME[@]} == 3)) && [[ $__rr_calling == "$1" ]]; then
        __rr_depth=1 __rr_inside=$1 __rr_bare=("${@:2}")
        if [[ $__rr_mode == skip ]]; then
            __rr_read_slot "$__rr_slot1" || __rr_refuse "the state $__rr_slot1 is gone"
            __rr_do="builtin local $(builtin shopt -u nocasematch; __rr_locals)"
        fi
    fi
    __rr_calling=''
}
