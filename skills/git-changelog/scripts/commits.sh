#!/bin/bash
# Commits between two references, grouped by what stands before the colon of their titles.
set -u

if [ $# -lt 1 ]; then
  echo "Usage: commits.sh REPOSITORY [FROM [TO]]" >&2
  exit 2
fi
repository=$1
to=${3:-HEAD}

# A repository's own configuration can name programs to run: none of it is taken.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
run() { git -C "$repository" -c core.fsmonitor=false -c core.hooksPath=/dev/null -c safe.directory='*' --no-pager "$@"; }

if ! run rev-parse --git-dir >/dev/null 2>&1; then
  echo "$repository is no git repository, or can not be read." >&2
  exit 1
fi
from=${2:-$(run describe --tags --abbrev=0 "$to" 2>/dev/null || true)}
for reference in ${from:+"$from"} "$to"; do
  if ! run rev-parse --verify --quiet "$reference^{commit}" >/dev/null; then
    echo "There is no reference $reference in $repository." >&2
    exit 1
  fi
done

range=${from:+$from..}$to
echo "# ${from:-the beginning} to $to"
run log --no-merges --no-show-signature --pretty='format:%s%x09%h%x09%an%x09%as' "$range" -- |
  awk -F'\t' '
    NF >= 4 {
      area = "other"; title = $1
      at = index($1, ": ")
      if (at > 1 && at <= 40) { area = substr($1, 1, at - 1); title = substr($1, at + 2) }
      if (!(area in lines)) order[++count] = area
      lines[area] = lines[area] sprintf("- %s (%s, %s, %s)\n", title, $2, $3, $4)
    }
    END {
      if (count == 0) print "No commits."
      for (i = 1; i <= count; i++) printf "\n## %s\n%s", order[i], lines[order[i]]
    }'
