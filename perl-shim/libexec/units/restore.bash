# The way back to the unit that was interrupted.

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
    __rr_do='builtin set +eu; builtin eval "$__rr_vars"; __rr_define; builtin eval "__rr_forget; $__rr_tail"; :'
}

# What was read would be part of the next state; before bash 5.1 lines in it look like variables of the script.
__rr_forget() {
    __rr_vars='' __rr_tail='' __rr_text='' __rr_functions=() __rr_lines=() __rr_part=() __rr_sections=()
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
