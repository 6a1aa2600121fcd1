# fish completion for jobq; generated, do not edit
function __jobq_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (jobq __complete $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c jobq -f -a '(__jobq_complete)'
