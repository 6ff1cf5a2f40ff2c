#!/usr/bin/env bash
# needs.sh demo|bench|deb|test: says what is missing for it, and installs it where it can.
set -euo pipefail
for_what=${1:?demo, bench, deb or test}

say() { printf 'needs: %s\n' "$*"; }
give_up() { say "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
have_chromium() { have chromium || have chromium-browser || have google-chrome; }
have_postgres() { have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

install_packages() {
  local as_root=()
  have apt-get || give_up "missing: $*. This is not Debian, so please install what these packages hold by hand"
  if [ "$(id -u)" != 0 ]; then
    have sudo || give_up "missing: $*. Neither root nor sudo is at hand; ask somebody for: apt-get install $*"
    as_root=(sudo)
  fi
  say "missing: $*; installing with apt-get"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --no-remove "$@"
}

packages=()
have cc || packages+=(gcc libc6-dev)
case $for_what in bench | test) have_postgres || packages+=(postgresql) ;; esac
case $for_what in deb | test) have dpkg-shlibdeps || packages+=(dpkg-dev) ;; esac
if [ "$for_what" = test ]; then
  have faketime || packages+=(faketime)
  have openssl || packages+=(openssl)
  # Judges of the unit, of the manual page and of the package.
  have systemd-analyze || packages+=(systemd)
  have man || packages+=(man-db)
  have lintian || packages+=(lintian)
  # Peers: programs written elsewhere that judge ours. A nodejs that is there already stays as it is.
  have node || packages+=(nodejs)
  have npm || packages+=(npm)
  have_chromium || packages+=(chromium)
  python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
fi
[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"

have cargo || give_up "missing: Rust. Install it from https://rustup.rs and open a new shell"
[ "$for_what" = test ] || exit 0

for component in rustfmt clippy; do
  have "cargo-${component/rust/}" && "cargo-${component/rust/}" --version >/dev/null 2>&1 && continue
  say "missing: $component; adding it with rustup"
  have rustup || give_up "there is no rustup: install $component as your Rust was installed"
  rustup component add "$component"
done
if ! cargo nextest --version >/dev/null 2>&1; then
  say "missing: cargo-nextest; installing it with cargo, which takes some minutes"
  cargo install cargo-nextest --locked || say "cargo-nextest could not be installed (see above); the tests run with cargo test"
fi

# Into folders that git ignores, exactly as listed, and only when the lists have changed.
cd "$(dirname "$0")/peers"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || give_up "node is $(node --version), the peers need 18 or newer"
if ! cmp -s package-lock.json node_modules/as-listed; then
  say "missing: the peers of package-lock.json; installing them with npm"
  npm ci --omit=dev --omit=optional --omit=peer --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/as-listed
fi
if ! cmp -s requirements.txt venv/as-listed; then
  say "missing: the peers of requirements.txt; installing them with pip"
  python3 -m venv --clear venv
  venv/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary=:all: -r requirements.txt
  cp requirements.txt venv/as-listed
fi
# Debian's exim4 and promtool, unpacked and not installed: as programs of tests they need neither root nor a place in the system.
unpacked=(exim4-daemon-light libidn12 libnss-wrapper prometheus)
if ! printf '%s\n' "${unpacked[@]}" | cmp -s - debian/complete; then
  have apt-get || give_up "missing: ${unpacked[*]}. This is not Debian: unpack them into $PWD/debian, and list them in $PWD/debian/complete"
  say "missing: ${unpacked[*]}; unpacking them"
  rm -rf debian && mkdir debian
  (
    cd debian
    apt-get download -q "${unpacked[@]}" || { [ "$(id -u)" = 0 ] && apt-get update -q && apt-get download -q "${unpacked[@]}"; } ||
      give_up "apt-get cannot download ${unpacked[*]}; ask somebody for: apt-get update"
    for package in *.deb; do dpkg-deb -x "$package" . && rm "$package"; done
  )
  # It is to run as whoever starts it.
  chmod u-s debian/usr/sbin/exim4
  printf '%s\n' "${unpacked[@]}" >debian/complete
fi
