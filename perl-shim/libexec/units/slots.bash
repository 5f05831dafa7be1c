# Reading what was written down. No lines are read from a here-string below: from a pipe, bash reads byte by byte.

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
