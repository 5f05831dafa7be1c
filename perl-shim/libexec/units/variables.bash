# Variables as they were, with their attributes.

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
