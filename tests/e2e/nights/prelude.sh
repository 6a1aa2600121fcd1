# What the scenarios share. Each is `sh -eu` in an empty folder that is its HOME, with JQ_BACKEND and JQ_NAMESPACE set.
# The lines between "# night" and "# morning" are what the operator types; docs/nights.md shows them.

expect() { # WHAT ACTUAL WANTED
    [ "$2" = "$3" ] || { echo "$1: expected '$3', got '$2'" >&2; exit 1; }
}

within() { # SECONDS COMMAND...: the command, until it succeeds
    tries=$(($1 * 10)); shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "still not so: $*" >&2; exit 1; }
        sleep 0.1
    done
}
