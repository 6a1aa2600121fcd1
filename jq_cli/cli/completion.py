"""Shell completion: scripts for three shells, and the words they ask for. The scripts call `jq __complete WORD...` with the words
before the cursor; it prints a line for each candidate, its help after a tab."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from jq_cli.errors import UsageError
from jq_cli.view.safe_text import safe_text

ASK = "__complete"
"""First argument of a completion request; the last one is the word under the cursor."""

NAMES = ("jq", "jobq")

_BASH = """\
# bash completion for {name}; generated, do not edit
_{name}_complete() {{
    local IFS=$'\\n' line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${{line%%$'\\t'*}}")
    done < <({name} __complete "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null)
}}
complete -o bashdefault -o default -F _{name}_complete {name}
"""

_ZSH = """\
#compdef {name}
# zsh completion for {name}; generated, do not edit
_{name}() {{
    local line
    local -a values
    for line in ${{(f)"$({name} __complete "${{(@)words[2,CURRENT]}}" 2>/dev/null)"}}; do
        values+=("${{${{line%%$'\\t'*}}//:/\\\\:}}:${{line#*$'\\t'}}")
    done
    if (( ${{#values}} )); then _describe -V '{name}' values; else _files; fi
}}
if [ "$funcstack[1]" = "_{name}" ]; then _{name} "$@"; else compdef _{name} {name}; fi
"""

_FISH = """\
# fish completion for {name}; generated, do not edit
function __{name}_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found ({name} __complete $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c {name} -f -a '(__{name}_complete)'
"""

_FILES = {"bash": ("{name}.bash", _BASH), "zsh": ("_{name}", _ZSH), "fish": ("{name}.fish", _FISH)}


def scripts() -> dict[str, str]:
    """File name to text of the completion scripts of all shells, for both names of the program."""
    return {file.format(name=name): script.format(name=name) for file, script in _FILES.values() for name in NAMES}


def answer(root: click.Command, session: object, words: Sequence[str]) -> list[str]:
    """The candidates for the last of the words, each with its help after a tab."""
    from click.shell_completion import ShellComplete

    *before, incomplete = words or [""]
    if before[-1:] == ["--id"]:
        # click gives up reading a line that ends with an option without its value; the ids are those of the argument.
        before.pop()
    found = ShellComplete(root, {"obj": session}, "jq", "").get_completions(list(before), incomplete)
    return [f"{safe_text(item.value)}\t{safe_text(item.help or '')}" for item in found if item.type == "plain"]


def install(shell: str) -> None:
    """Write the completion script of a shell (`auto`: that of $SHELL) where the shell looks for it, and say where."""
    if shell == "auto":
        shell = Path(os.environ.get("SHELL", "")).name
    if shell not in _FILES:
        raise UsageError(f"no completion for the shell {shell or 'in $SHELL'!r}; name one of bash, zsh, fish")
    file, script = _FILES[shell]
    folder = _folder(shell)
    folder.mkdir(parents=True, exist_ok=True)
    for name in _own_names():
        path = folder / file.format(name=name)
        path.write_text(script.format(name=name))
        print(path)
    if shell == "zsh":
        print("add to ~/.zshrc, before compinit: fpath=(~/.zfunc $fpath)", file=sys.stderr)


def _own_names() -> list[str]:
    # The JSON processor may own the name jq on this machine; its completion stays as it is then.
    other = shutil.which("jq")
    own = shutil.which("jobq")
    mine = other is None or own is None or Path(other).resolve().parent == Path(own).resolve().parent
    return list(NAMES) if mine else ["jobq"]


def _folder(shell: str) -> Path:
    home = Path.home()
    if shell == "bash":
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        return data / "bash-completion" / "completions"
    if shell == "fish":
        return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish" / "completions"
    return home / ".zfunc"


def main(folder: str) -> None:
    """Write all scripts into a folder."""
    for name, script in scripts().items():
        Path(folder, name).write_text(script)


if __name__ == "__main__":
    main(sys.argv[1])
