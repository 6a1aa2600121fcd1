# fish completion for jq; generated, do not edit
function __jq_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (jq __complete $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c jq -f -a '(__jq_complete)'
