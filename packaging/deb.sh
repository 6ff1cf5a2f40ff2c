#!/usr/bin/env bash
# deb.sh [--binary FILE] [--revision N] [--for-test] [--into FOLDER]: makes the Debian package, and prints where it stands.
#
# Without --binary the program is built first, as it is meant for production: without pretend marketplaces. --revision tells packages
# of one version apart; without it the instant of the source's last change does, so that a later source makes a later package. --for-test takes a program with pretend marketplaces, too, and packs fast instead of small. The package's
# maintainer is whoever makes it: DEBFULLNAME and DEBEMAIL, as for Debian's own tools, else git's user.name and user.email.
set -euo pipefail
binary= revision= for_test= into=
while [ $# -gt 0 ]; do
  case $1 in
    --binary) binary=$(realpath "$2"); shift 2 ;;
    --revision) revision=$2; shift 2 ;;
    --for-test) for_test=yes; shift ;;
    --into) into=$(realpath "$2"); shift 2 ;;
    *) echo "deb.sh: what is $1?" >&2; exit 64 ;;
  esac
done
cd "$(dirname "$0")/.."
into=${into:-$PWD/target/debian}

name=${DEBFULLNAME:-$(git config user.name || true)} address=${DEBEMAIL:-$(git config user.email || true)}
if [ -z "$name" ] || [ -z "$address" ]; then
  echo "deb.sh: nobody is named as the package's maintainer; set DEBFULLNAME and DEBEMAIL" >&2
  exit 1
fi
maintainer="$name <$address>"

if [ -z "$binary" ]; then
  echo "deb.sh: building the program; the first time takes twenty minutes on two cores" >&2
  cargo build --release --locked --no-default-features >&2
  binary=$PWD/target/release/shopsyncd
fi
if [ -z "$for_test" ] && "$binary" demo --help >/dev/null 2>&1; then
  echo "deb.sh: $binary has pretend marketplaces in it; build it with --no-default-features" >&2
  exit 1
fi

epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH=$epoch
revision=${revision:-$(date -u -d "@$epoch" +%Y%m%d%H%M%S)}
version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)-$revision
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

install -Dm 755 "$binary" "$root/usr/bin/shopsyncd"
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/shopsyncd"
install -Dm 644 systemd/shopsyncd.service "$root/usr/lib/systemd/system/shopsyncd.service"
# Where the unit keeps its state is said, so that commands look there before the first start, too.
install -Dm 644 <(sed 's|^#state_dir = "/var/lib/shopsyncd"|state_dir = "/var/lib/shopsyncd"|' config/shopsyncd.toml) \
  "$root/usr/share/shopsyncd/shopsyncd.toml"
grep -q '^state_dir' "$root/usr/share/shopsyncd/shopsyncd.toml"
install -d "$root/etc/shopsyncd/shops.d"
install -dm 700 "$root/etc/shopsyncd/secrets"

doc=$root/usr/share/doc/shopsyncd
install -Dm 644 config/shops.d/example.toml "$doc/examples/shops.d/example.toml"
install -Dm 644 config/alerts.yml "$doc/examples/alerts.yml"
install -Dm 644 README.md "$doc/README.md"
install -Dm 644 packaging/copyright "$doc/copyright"
install -Dm 644 packaging/lintian-overrides "$root/usr/share/lintian/overrides/shopsyncd"
gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
{
  printf 'shopsyncd (%s) stable; urgency=medium\n\n  * See changelog.gz.\n\n' "$version"
  printf ' -- %s  %s\n' "$maintainer" "$(date -Ru -d "@$epoch")"
} | gzip -9n >"$doc/changelog.Debian.gz"

# What the program says of itself.
mkdir -p "$root"/usr/share/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
"$binary" man | gzip -9n >"$root/usr/share/man/man1/shopsyncd.1.gz"
"$binary" completions bash >"$root/usr/share/bash-completion/completions/shopsyncd"
"$binary" completions zsh >"$root/usr/share/zsh/vendor-completions/_shopsyncd"
"$binary" completions fish >"$root/usr/share/fish/vendor_completions.d/shopsyncd.fish"

# Which libraries it needs, and from which version on, is for Debian's own program to say.
mkdir "$work/debian"
printf 'Source: shopsyncd\n\nPackage: shopsyncd\nArchitecture: any\n' >"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O "root/usr/bin/shopsyncd" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
mkdir "$root/DEBIAN"
size=$(du -k -s --exclude=DEBIAN "$root" | cut -f 1)
control=$(<packaging/control)
for word in version architecture maintainer libraries size; do
  control=${control/@${word^^}@/"${!word}"}
done
printf '%s\n' "$control" >"$root/DEBIAN/control"
install -m 755 packaging/{postinst,prerm,postrm} "$root/DEBIAN/"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

mkdir -p "$into"
package=$into/shopsyncd_${version}_$architecture.deb
# Who installs what lies there installs the newest.
[ -n "$for_test" ] || rm -f "$into"/shopsyncd_*.deb
packed=(-Zxz)
[ -z "$for_test" ] || packed=(-Zgzip -z1)
find "$root" -newermt "@$epoch" -print0 | xargs -0r touch -hd "@$epoch"
dpkg-deb --root-owner-group "${packed[@]}" --build "$root" "$work/made.deb" >&2
mv "$work/made.deb" "$package"
echo "$package"
