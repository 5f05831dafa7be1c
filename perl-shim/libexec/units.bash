# Sourced by the first line of a rewritten build script, inside the container. lib/script/rewrite.ts puts calls of these
# functions around the script's statements ("units"). Before each unit the state of the shell is written down; when the
# script is started again, it skips what is done, restores that state and goes on with the unit that was interrupted.
#
# All of it runs in the script's own shell, under whatever options the script has set, so nothing here relies on word
# splitting, globs or statuses, names begin with __rr_, and builtins alone are used: a child process would count as part
# of the script. For bash 4.4 to 5.2.
#
# The files of units/ stand before this one where it is read, in the state folder. Beside it lie there:
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
__rr_do='' __rr_vars='' __rr_tail='' __rr_functions=() __rr_text='' __rr_found='' __rr_lines=() __rr_listed=() __rr_head=() __rr_names=() __rr_part=() __rr_bare=() __rr_own=0
__rr_jobs=0 __rr_open=0 __rr_defined='' __rr_inside='' __rr_status=0 __rr_seq=0 __rr_depth=0 __rr_calling='' __rr_callid='' __rr_call_seq=0 __rr_fds='' __rr_full=''
__rr_t0='' __rr_t1='' __rr_slot0='' __rr_slot1=''
declare -A __rr_sections=()

# How many of these functions there are.
__rr_see_functions
__rr_own=${#__rr_listed[@]}
for __rr_i in "${__rr_listed[@]}"; do
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
