# Writing down the state of the shell before a unit.

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
        for __rr_i in ${__rr_names[@]+"${__rr_names[@]}"}; do
            builtin printf '#__rr-section function %s\n' "$__rr_i"
            builtin declare -f "$__rr_i"
        done
        builtin printf '#__rr-section exported functions\n'
        ((${#__rr_names[@]} == 0)) || builtin printf '%s\n' "${__rr_listed[@]}"
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

# The script's functions -> __rr_names; what `declare -F` says of them -> __rr_listed.
__rr_see_functions() {
    __rr_names=()
    builtin declare -F >| "$__rr_dir/functions"
    builtin mapfile -t __rr_listed < "$__rr_dir/functions"
    ((${#__rr_listed[@]} > __rr_own)) || return 0
    for __rr_i in "${!__rr_listed[@]}"; do
        case ${__rr_listed[__rr_i]##* } in
            __rr_*) builtin unset -v '__rr_listed[__rr_i]' ;;
            *) __rr_names+=("${__rr_listed[__rr_i]##* }") ;;
        esac
    done
}

# Whether none of the functions that the script's own text does not define asks where it stands: when it comes back, its file
# would be one of ours.
__rr_bear_moving() {
    __rr_part=()
    for __rr_i in ${__rr_names[@]+"${__rr_names[@]}"}; do
        [[ $__rr_defined == *" $__rr_i "* ]] || __rr_part+=("$__rr_i")
    done
    ((${#__rr_part[@]})) || return 0
    builtin declare -f "${__rr_part[@]}" >| "$__rr_dir/variable"
    builtin mapfile -d '' __rr_lines < "$__rr_dir/variable"
    __rr_text=${__rr_lines[0]} __rr_lines=() __rr_part=()
    [[ $__rr_text != *BASH_SOURCE* && $__rr_text != *LINENO* && $__rr_text != *caller* ]]
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
