# Sourced by the first line of a rewritten build script, inside the container. lib/script/rewrite.ts puts calls of these
# functions around the script's statements ("units"). Before each unit the state of the shell is written down; when the
# script is started again, it skips what is done, restores that state and goes on with the unit that was interrupted.
#
# All of it runs in the script's own shell, under whatever options the script has set, so nothing here relies on word
# splitting, globs or statuses, names begin with __rr_, and builtins alone are used: a child process would count as part
# of the script. For bash 4.4 to 5.2. The folder of this file is the state folder:
#
#   state.D.S   the state at depth D (0: the script itself, 1: one of its functions) in slot S; the slots are used in
#               turn, and one without its last line was being written when the script was killed: it does not count
#   locals      the local variables of the function that runs
#   functions   the names of all functions, for a moment
#   variable    one declaration, for a moment
#   fifo        nobody writes to it: reading from it with a timeout is how to sleep without a child
#   stop        made from outside: come to rest before the next unit
#   boundary    made here when the script has come to rest
#   unsupported made here by an older bash, with its version: then nothing is written down
#   begun       a shell of this leg's script has begun; another one is a part of it
#   skipping    not empty while a resumed script is on its way to the interrupted unit
#   refused     why a state could not be restored; the script then ends with status 97

__rr_dir=${BASH_SOURCE[0]%/*}
__rr_mode=run __rr_E=0
__rr_do='' __rr_vars='' __rr_tail='' __rr_functions=() __rr_text='' __rr_found='' __rr_lines=() __rr_head=() __rr_names=() __rr_part=() __rr_bare=() __rr_own=0
__rr_jobs=0 __rr_open=0 __rr_defined='' __rr_placed='' __rr_checked=-1 __rr_inside='' __rr_status=0 __rr_seq=0 __rr_depth=0 __rr_calling='' __rr_callid='' __rr_call_seq=0 __rr_fds='' __rr_full=''
__rr_t0='' __rr_t1='' __rr_slot0='' __rr_slot1=''
declare -A __rr_sections=()

# ---- What the script calls ------------------------------------------------------------------------------------------

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
    # A function that asks for its file, which is not the script's, would be one of ours when it comes back.
    if ((__rr_open)); then
        __rr_see_functions
        ((${#__rr_lines[@]} == __rr_checked)) || __rr_check_functions
        [[ -z $__rr_placed ]] || return 0
    fi
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

# ---- Saving ---------------------------------------------------------------------------------------------------------

# The open descriptors -> __rr_text.
__rr_see_descriptors() {
    case $- in
        *f*)
            builtin set +f
            __rr_lines=("/proc/$$/fd/"*)
            builtin set -f
            ;;
        *) __rr_lines=("/proc/$$/fd/"*) ;;
    esac
    builtin printf -v __rr_text '%s ' "${__rr_lines[@]##*/}"
    __rr_lines=()
}

# No local variable here: it would hide one of the script's.
__rr_save() { # ID KIND ARGUMENTS…
    __rr_seq=$((__rr_seq + 1))
    {
        builtin printf '#__rr %s %s %s %(%s)T %s\n' "$__rr_seq" "$__rr_full" "$__rr_call_seq" -1 "$__rr_status"
        builtin printf '#__rr-section cwd\n'
        builtin printf 'builtin cd -- %q' "${DIRSTACK[${#DIRSTACK[@]} - 1]}"
        for ((__rr_i = ${#DIRSTACK[@]} - 2; __rr_i >= 0; __rr_i--)); do
            builtin printf ' && builtin pushd %q' "${DIRSTACK[__rr_i]}"
        done
        builtin printf '\n#__rr-section frames\n'
        for __rr_i in "${!__rr_I_@}"; do
            __rr_frame "${__rr_i#__rr_I_}"
        done
        for __rr_i in "${!__rr_W_@}"; do
            builtin printf '%s=%q\n' "$__rr_i" "${!__rr_i}"
        done
        builtin printf '#__rr-section variables\n'
        builtin declare -p
        builtin printf '#__rr-section locals\n'
        ((__rr_depth == 0)) || __rr_copy "$__rr_dir/locals"
        __rr_see_functions
        for __rr_i in ${__rr_names[@]+"${__rr_names[@]}"}; do
            builtin printf '#__rr-section function %s\n' "$__rr_i"
            builtin declare -f "$__rr_i"
        done
        builtin printf '#__rr-section exported functions\n'
        ((${#__rr_names[@]} == 0)) || builtin printf '%s\n' "${__rr_lines[@]}"
        builtin printf '#__rr-section aliases\n'
        builtin alias -p
        # Where it has found programs it does not look for them again, though another is nearer by now.
        builtin printf '#__rr-section programs\n'
        [[ $- != *h* ]] || builtin hash -l 2> /dev/null || :
        builtin printf '#__rr-section tail\n'
        builtin enable -n
        builtin umask -p
        for __rr_i in c d f l m n s t u v; do
            builtin printf 'builtin ulimit -S -%s ' "$__rr_i"
            builtin ulimit -S "-$__rr_i"
        done
        builtin printf 'builtin set --'
        ((${#@} < 3)) || builtin printf ' %q' "${@:3}"
        builtin printf '\n'
        builtin shopt -p
        builtin set +o
        # At last: nothing that comes back is for a handler.
        builtin trap -p
        [[ ! -e $__rr_dir/err-trap ]] || __rr_copy "$__rr_dir/err-trap"
        builtin printf '#__rr-end %s\n' "$__rr_seq"
    } >| "$__rr_dir/state.$__rr_depth.$((__rr_seq % 2))"
}

# A loop's words that are left, with the one whose turn it is.
__rr_frame() { # VARIABLE-SUFFIX
    builtin eval "__rr_lines=(\${__rr_L_$1[@]+\"\${__rr_L_$1[@]:__rr_I_$1 > 0 ? __rr_I_$1 - 1 : 0}\"})"
    builtin printf '__rr_L_%s=(' "$1"
    ((${#__rr_lines[@]} == 0)) || builtin printf '%q ' "${__rr_lines[@]}"
    builtin printf ')\n__rr_I_%s=1\n' "$1"
    __rr_lines=()
}

__rr_copy() { # FILE
    builtin mapfile __rr_lines < "$1"
    ((${#__rr_lines[@]} == 0)) || builtin printf '%s' "${__rr_lines[@]}"
    __rr_lines=()
}

# The script's functions -> __rr_names; what `declare -F` says of them -> __rr_lines.
__rr_see_functions() {
    __rr_names=()
    builtin declare -F >| "$__rr_dir/functions"
    builtin mapfile -t __rr_lines < "$__rr_dir/functions"
    ((${#__rr_lines[@]} > __rr_own)) || return 0
    for __rr_i in "${!__rr_lines[@]}"; do
        case ${__rr_lines[__rr_i]##* } in
            __rr_*) builtin unset -v '__rr_lines[__rr_i]' ;;
            *) __rr_names+=("${__rr_lines[__rr_i]##* }") ;;
        esac
    done
}

# Those of __rr_names that the script's own text does not define and that ask where they stand -> __rr_placed.
__rr_check_functions() {
    __rr_checked=${#__rr_lines[@]} __rr_placed=''
    for __rr_i in ${__rr_names[@]+"${__rr_names[@]}"}; do
        [[ $__rr_defined != *" $__rr_i "* ]] || continue
        builtin declare -f "$__rr_i" >| "$__rr_dir/variable"
        builtin mapfile -d '' __rr_lines < "$__rr_dir/variable"
        [[ ${__rr_lines[0]} != *BASH_SOURCE* && ${__rr_lines[0]} != *LINENO* && ${__rr_lines[0]} != *caller* ]] ||
            __rr_placed+="$__rr_i "
    done
    __rr_lines=()
}

# Whether `local` tells all local variables. Before bash 5.1 it leaves out those that have no value yet, and they would come back
# as global ones.
__rr_lists_locals() {
    for __rr_i in ${__rr_bare[@]+"${__rr_bare[@]}"}; do
        builtin declare -p "$__rr_i" >| "$__rr_dir/variable" || continue
        builtin mapfile -t __rr_lines < "$__rr_dir/variable"
        [[ ${__rr_lines[0]} == *=* ]] || return 1
    done
    __rr_lines=()
}

# Waits until it is killed, or nobody wants it to wait any longer.
__rr_rest() {
    builtin printf '%s\n' "$__rr_full" >| "$__rr_dir/boundary"
    while [[ -e $__rr_dir/stop ]]; do
        builtin read -r -t 0.05 __rr_text <> "$__rr_dir/fifo"
    done
    : >| "$__rr_dir/boundary"
}

# ---- Restoring ------------------------------------------------------------------------------------------------------

# On the way to the unit that was interrupted: whether to go into this one.
__rr_skip() { # ID KIND
    if ((__rr_depth == 1)); then
        if [[ $__rr_t1 == "$1" ]]; then
            __rr_load "$__rr_slot1" function
            __rr_arrive
            return 0
        fi
        [[ $__rr_t1 == "$1".* ]]
        return
    fi
    if [[ $__rr_t0 == "$1" ]]; then
        __rr_load "$__rr_slot0" script
        if [[ -n $__rr_t1 ]]; then
            __rr_calling=${2#c:} __rr_callid=$1
        else
            __rr_arrive
        fi
        return 0
    fi
    # A function that is defined again has its lines' numbers; an option decides how the lines after it are read.
    [[ $__rr_t0 == "$1".* || $2 == d ]]
}

# The interrupted unit is the next one.
__rr_arrive() {
    __rr_mode=run __rr_E=0
    : >| "$__rr_dir/skipping"
}

# A state that can not be restored must not be built on.
__rr_refuse() {
    builtin printf '%s\n' "$1" >| "$__rr_dir/refused"
    builtin trap - EXIT ERR
    builtin exit 97
}

# No lines are read from a here-string below: from a pipe, bash reads byte by byte.

# A slot's lines -> __rr_lines, the words of the first one -> __rr_head: 1 sequence, 2 unit, 3 sequence of the call, 4 time,
# 5 status; status 1 when it is not whole.
__rr_read_slot() { # FILE
    local __rr_at __rr_line
    __rr_lines=() __rr_head=() __rr_sections=()
    [[ -f $1 ]] || return 1
    builtin mapfile -t __rr_lines < "$1"
    ((${#__rr_lines[@]} > 1)) || return 1
    [[ ${__rr_lines[0]} == '#__rr '* ]] || return 1
    __rr_line="${__rr_lines[0]} "
    while [[ -n $__rr_line ]]; do
        __rr_head+=("${__rr_line%% *}")
        __rr_line=${__rr_line#* }
    done
    ((${#__rr_head[@]} == 6)) || return 1
    [[ ${__rr_lines[${#__rr_lines[@]} - 1]} == "#__rr-end ${__rr_head[1]}" ]] || return 1
    for __rr_at in "${!__rr_lines[@]}"; do
        [[ ${__rr_lines[__rr_at]} != '#__rr-section '* ]] ||
            __rr_sections[${__rr_lines[__rr_at]#'#__rr-section '}]=$((__rr_at + 1))
    done
    return 0
}

# A section of the slot that was read -> __rr_text; its lines -> __rr_part.
__rr_section() { # NAME
    local __rr_at
    __rr_text='' __rr_part=()
    for ((__rr_at = ${__rr_sections[$1]-${#__rr_lines[@]}}; __rr_at < ${#__rr_lines[@]}; __rr_at++)); do
        [[ ${__rr_lines[__rr_at]} != '#__rr-section '* && ${__rr_lines[__rr_at]} != '#__rr-end '* ]] || break
        __rr_part+=("${__rr_lines[__rr_at]}")
    done
    ((${#__rr_part[@]} == 0)) || builtin printf -v __rr_text '%s\n' "${__rr_part[@]}"
}

# The whole slot at a depth with a sequence number -> __rr_found, __rr_lines.
__rr_find_slot() { # DEPTH SEQUENCE
    for __rr_found in "$__rr_dir/state.$1.0" "$__rr_dir/state.$1.1"; do
        __rr_read_slot "$__rr_found" && [[ ${__rr_head[1]} == "$2" ]] && return 0
    done
    return 1
}

# Looks for the newest whole state. One inside a function stands on the one from before the function was called.
__rr_start() {
    local best='' best_seq=0 slot
    for slot in "$__rr_dir"/state.{0,1}.{0,1}; do
        __rr_read_slot "$slot" || continue
        ((__rr_head[1] > best_seq)) || continue
        if [[ $slot == */state.1.? ]]; then
            __rr_find_slot 0 "${__rr_head[3]}" || continue
            __rr_read_slot "$slot"
        fi
        best=$slot best_seq=${__rr_head[1]}
    done
    [[ -n $best ]] || return 0
    __rr_read_slot "$best"
    __rr_seq=$best_seq __rr_call_seq=${__rr_head[3]} __rr_t0=${__rr_head[2]} __rr_mode=skip __rr_E=1
    __rr_section frames
    builtin eval "$__rr_text"
    builtin printf '%s\n' "$__rr_t0" >| "$__rr_dir/skipping"
    __rr_prepare_parser
    __rr_slot0=$best
    if [[ $__rr_t0 == *'>'* ]]; then
        __rr_t1=${__rr_t0#*>} __rr_t0=${__rr_t0%%>*} __rr_slot1=$best
        __rr_find_slot 0 "$__rr_call_seq"
        __rr_slot0=$__rr_found
    fi
}

# What decides how the lines that are skipped are read.
__rr_prepare_parser() {
    local __rr_line
    __rr_section aliases
    builtin eval "$__rr_text"
    __rr_section tail
    for __rr_line in ${__rr_part[@]+"${__rr_part[@]}"}; do
        case $__rr_line in
            'shopt -s extglob' | 'shopt -s nocasematch' | 'shopt -s expand_aliases' | 'shopt -s compat'* | 'set -o posix' | 'set +o braceexpand')
                builtin eval "$__rr_line"
                ;;
        esac
    done
    # `$'\u20ac'` is made of bytes when it is read.
    __rr_section variables
    builtin eval "$(__rr_locale)"
}

# Takes the arrays that nobody may assign to out of the section that was read, the variables: at such a one, bash before 5.1
# gives up the whole.
__rr_leave_out_fixed() {
    local __rr_at __rr_flags_now __rr_value
    for __rr_at in "${!__rr_part[@]}"; do
        case ${__rr_part[__rr_at]} in
            'declare -'*' BASH_ARGC='* | 'declare -'*' BASH_ARGV='* | 'declare -'*' BASH_LINENO='* | \
                'declare -'*' BASH_SOURCE='* | 'declare -'*' BASH_VERSINFO='* | 'declare -'*' FUNCNAME='* | 'declare -'*' GROUPS='*)
                builtin unset -v '__rr_part[__rr_at]'
                ;;
            'declare -'*i*' '*=*)
                # What is no number was there before it became an integer: reading it as one would end it all.
                __rr_flags_now=${__rr_part[__rr_at]#declare -} __rr_value=${__rr_part[__rr_at]#declare -* }
                __rr_flags_now=${__rr_flags_now%% *}
                [[ $__rr_flags_now == *i* ]] && __rr_is_kept "${__rr_value%%=*}" || continue
                (builtin trap - ERR; builtin eval "declare -$__rr_flags_now $__rr_value") && continue
                __rr_flags_now=${__rr_flags_now//[ir]/}
                (builtin trap - ERR; builtin eval "declare -${__rr_flags_now:--} $__rr_value") || continue
                __rr_part[__rr_at]="declare -${__rr_flags_now:--} $__rr_value"
                ;;
        esac
    done
    builtin printf -v __rr_text '%s\n' "${__rr_part[@]}"
}

# In a subshell: of the variables in the slot that was read, those that decide the locale.
__rr_locale() {
    local __rr_name
    builtin set +eu
    __rr_leave_out_fixed
    # Here: what a function declares is local to it.
    builtin eval "$__rr_text"
    for __rr_name in LC_ALL LC_CTYPE LANG; do
        if builtin declare -p "$__rr_name" > /dev/null; then
            builtin printf 'declare -g %s=%q\n' "$__rr_name" "${!__rr_name}"
        else
            builtin printf 'builtin unset -v %s\n' "$__rr_name"
        fi
    done
}

# Makes __rr_do of a slot: code that the script evaluates where its own variables are in scope. Inside a function those
# of its own are local, and all others global.
__rr_load() { # FILE script|function
    # The script's own comes back with the rest.
    builtin shopt -u nocasematch
    __rr_read_slot "$1" || __rr_refuse "the state $1 is gone"
    __rr_status=${__rr_head[5]}
    __rr_section cwd
    builtin dirs -c
    builtin eval "$__rr_text" > /dev/null || __rr_refuse "a folder that the script was in is gone: ${__rr_text%$'\n'}"
    __rr_names=() __rr_functions=()
    for __rr_found in "${!__rr_sections[@]}"; do
        [[ $__rr_found == 'function '* ]] || continue
        __rr_section "$__rr_found"
        __rr_names+=("${__rr_found#function }")
        __rr_functions+=("$__rr_text")
    done
    __rr_section 'exported functions'
    __rr_tail=''
    builtin eval "$(__rr_attributes)"
    __rr_section programs
    # After PATH, whose assignment forgets them.
    [[ $__rr_text != 'builtin hash -p '* ]] || __rr_tail+="{ $__rr_text} 2> /dev/null"$'\n'
    __rr_section tail
    __rr_tail+=$__rr_text
    __rr_vars=$(__rr_variables "$2") || __rr_refuse "the variables in $1 can not be read back"
    __rr_do='builtin set +eu; builtin eval "$__rr_vars"; __rr_define; builtin eval "$__rr_tail"; :'
}

# In a subshell: of the variables in the slot that was read one statement each. Only a shell that has taken the whole in
# knows where each begins and ends.
__rr_variables() { # script|function
    local __rr_line __rr_name __rr_global='' __rr_locals=' ' __rr_then=' '
    local -a __rr_now __rr_dumped __rr_text
    local -A __rr_flags=()
    builtin declare -p >| "$__rr_dir/variable"
    builtin mapfile -t __rr_now < "$__rr_dir/variable"
    for __rr_line in "${__rr_now[@]}"; do
        __rr_name=${__rr_line#declare -* }
        __rr_name=${__rr_name%%=*}
        # Once: a value may have lines that look like more variables.
        [[ $__rr_line == 'declare -'* && -z ${__rr_flags[$__rr_name]-} ]] && __rr_is_kept "$__rr_name" || continue
        builtin declare -p "$__rr_name" >| "$__rr_dir/variable" || continue
        builtin mapfile -t __rr_text < "$__rr_dir/variable"
        __rr_line=${__rr_text[0]#declare -}
        __rr_flags[$__rr_name]=${__rr_line%% *}
        # A local variable is exported when the one that it hides is.
        [[ ${__rr_line%% *} != *x* ]] || builtin export -n "$__rr_name"
    done
    # Not in bash 4.4.
    builtin shopt -u localvar_inherit || :
    if [[ $1 == function ]]; then
        __rr_locals=" $(__rr_locals) "
        __rr_global='-g '
    fi
    __rr_section variables
    __rr_dumped=("${__rr_part[@]}")
    builtin set +eu
    __rr_leave_out_fixed
    # Here: what a function declares is local to it.
    builtin eval "$__rr_text"
    for __rr_line in "${__rr_dumped[@]}"; do
        __rr_name=${__rr_line#declare -* }
        __rr_name=${__rr_name%%=*}
        [[ $__rr_line == 'declare -'* ]] && __rr_is_kept "$__rr_name" && [[ $__rr_then != *" $__rr_name "* ]] || continue
        __rr_then+="$__rr_name "
        # Through a file: a substitution would be a process for each variable.
        builtin declare -p "$__rr_name" >| "$__rr_dir/variable" || continue
        builtin mapfile -d '' __rr_text < "$__rr_dir/variable"
        if [[ ${__rr_text[0]%$'\n'} != "$__rr_line" ]] && __rr_as_dumped; then
            continue
        fi
        __rr_line=${__rr_text[0]%$'\n'}
        __rr_found=${__rr_line#declare -}
        # An attribute that it has no longer would stay, and a reference would be written through.
        [[ ${__rr_flags[$__rr_name]-${__rr_found%% *}} == "${__rr_found%% *}" ]] || __rr_unset "$__rr_name"
        # Such as OLDPWD, which the way back into the script's folder has set.
        [[ $__rr_line == *=* ]] || builtin printf 'builtin unset -v %s\n' "$__rr_name"
        if [[ $__rr_locals == *" $__rr_name "* ]]; then
            builtin printf '%s\n' "$__rr_line"
        else
            builtin printf 'declare %s%s\n' "$__rr_global" "${__rr_line#declare }"
        fi
    done
    # What the new shell has from its environment, and the old one had no longer.
    for __rr_name in "${!__rr_flags[@]}"; do
        [[ $__rr_then == *" $__rr_name "* ]] || __rr_unset "$__rr_name"
    done
}

# Of __rr_variables: a variable whose value is from before it was made an integer, or upper or lower case: read back as one,
# it is another. False when it is no such one, or not surely so.
__rr_as_dumped() {
    local __rr_flags_now=${__rr_line#declare -} __rr_found __rr_plain __rr_at=0
    local __rr_value=${__rr_flags_now#* }
    __rr_flags_now=${__rr_flags_now%% *}
    [[ $__rr_flags_now == *[cilu]* && $__rr_value == *=* ]] || return 1
    for __rr_found in "${__rr_dumped[@]}"; do
        [[ $__rr_found != "declare -$__rr_flags_now $__rr_name="* ]] || __rr_at=$((__rr_at + 1))
    done
    __rr_plain=${__rr_flags_now//[cilurx]/}
    ((__rr_at == 1)) && (builtin trap - ERR; builtin eval "declare -${__rr_plain:--} $__rr_value") || return 1
    if [[ $__rr_locals == *" $__rr_name "* ]]; then
        __rr_found=''
    else
        __rr_found=$__rr_global
    fi
    [[ -z ${__rr_flags[$__rr_name]-} ]] || __rr_unset "$__rr_name"
    builtin printf 'declare %s-%s %s\n' "$__rr_found" "${__rr_plain:--}" "$__rr_value" "$__rr_found" "$__rr_flags_now" "$__rr_name"
}

# Of __rr_variables: the statement that removes a variable of this shell, if it can be. SECONDS would count no longer.
__rr_unset() { # NAME
    case ${__rr_flags[$1]} in
        *r*) ;;
        *n*) builtin printf 'builtin unset -n %s\n' "$1" ;;
        *) [[ $1 == SECONDS ]] || builtin printf 'builtin unset -v %s\n' "$1" ;;
    esac
}

# In a subshell: the names of the local variables in the slot that was read.
__rr_locals() {
    local __rr_line
    __rr_section locals
    for __rr_line in ${__rr_part[@]+"${__rr_part[@]}"}; do
        __rr_line=${__rr_line#declare -* }
        __rr_line=${__rr_line%%=*}
        ! __rr_is_kept "$__rr_line" || builtin printf '%s ' "$__rr_line"
    done
}

# Whether a variable is the script's, not the shell's own or ours.
__rr_is_kept() { # NAME
    case $1 in
        '' | *[!a-zA-Z0-9_]* | __rr_*) return 1 ;;
        _ | DIRSTACK | EPOCHREALTIME | EPOCHSECONDS | EUID | FUNCNAME | GROUPS | HISTCMD | LINENO | PIPESTATUS) return 1 ;;
        PPID | RANDOM | SHELLOPTS | SRANDOM | UID) return 1 ;;
        BASH | BASHOPTS | BASHPID | BASH_ALIASES | BASH_ARGC | BASH_ARGV | BASH_ARGV0 | BASH_CMDS | BASH_COMMAND) return 1 ;;
        BASH_EXECUTION_STRING | BASH_LINENO | BASH_REMATCH | BASH_SOURCE | BASH_SUBSHELL | BASH_VERS*) return 1 ;;
        COMP_CWORD | COMP_KEY | COMP_LINE | COMP_POINT | COMP_TYPE | COMP_WORDBREAKS | COMP_WORDS) return 1 ;;
        *) return 0 ;;
    esac
}

# In a subshell: of `declare -F`, what is more than a function's name.
__rr_attributes() {
    local __rr_line
    for __rr_line in ${__rr_part[@]+"${__rr_part[@]}"}; do
        case $__rr_line in
            'declare -f '* | '') ;;
            'declare -'*) builtin printf '__rr_tail+=%q\n' "builtin $__rr_line"$'\n' ;;
        esac
    done
}

# The functions as they were. Those that the skipped part of the script defines are there already, with their lines' numbers.
__rr_define() {
    builtin shopt -s extglob
    builtin shopt -u expand_aliases
    __rr_text=' '
    for __rr_i in "${!__rr_functions[@]}"; do
        __rr_text+="${__rr_names[__rr_i]} "
        [[ $(builtin declare -f "${__rr_names[__rr_i]}") != "${__rr_functions[__rr_i]%$'\n'}" ]] || continue
        # bash prints some here-documents so that they can't be read again.
        builtin eval "${__rr_functions[__rr_i]}" ||
            __rr_refuse "the function ${__rr_names[__rr_i]} can not be read back"
    done
    __rr_see_functions
    for __rr_i in ${__rr_names[@]+"${__rr_names[@]}"}; do
        [[ $__rr_text == *" $__rr_i "* ]] || builtin unset -f "$__rr_i"
    done
}

# How many of these functions there are.
__rr_see_functions
__rr_own=${#__rr_lines[@]}
for __rr_i in "${__rr_lines[@]}"; do
    [[ ${__rr_i##* } == __rr_* ]] || __rr_own=$((__rr_own - 1))
done

# An older bash writes control characters, attributes of unset variables and references down wrongly.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
    __rr_mode=off
    builtin printf '%s\n' "$BASH_VERSION" >| "$__rr_dir/unsupported"
fi
# A script that starts itself again, as a child or by `exec`, is part of the unit that does.
[[ ! -e $__rr_dir/begun ]] || __rr_mode=off
: >| "$__rr_dir/begun"
# What is wrong with a state is told through `refused`; bash's own complaints are not the script's.
[[ $__rr_mode == off ]] || { __rr_start; } 2> /dev/null
