# bash completion for riad(8)
_riad()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local commands options='-c --help'

    COMPREPLY=()
    if [ "$previous" = -c ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    if [ "$COMP_CWORD" = 1 ]; then
        commands=$(riad --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
        return
    fi
    case ${COMP_WORDS[1]} in
    backup | export) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    people)
        [ "$COMP_CWORD" = 2 ] && mapfile -t COMPREPLY < <(compgen -W \
            "list show bans admit kick mute unmute ban unban rename promote demote forget merge" -- "$current")
        ;;
    mirror)
        [ "$COMP_CWORD" = 2 ] && mapfile -t COMPREPLY < <(compgen -W \
            "list catalog verify evict pin refresh" -- "$current")
        ;;
    esac
    if [[ $current = -* ]]; then
        options="$options $(riad "${COMP_WORDS[1]}" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')"
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    fi
}
complete -F _riad riad
