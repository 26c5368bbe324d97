#!/bin/sh
# Installs what Debian needs for the named purposes (build, test, bench, cov), through apt-get and
# only what is missing. Prints nothing and touches nothing when everything is there.
set -eu

packages=""
for purpose in "$@"; do
	case $purpose in
	build)
		packages="$packages gcc libc6-dev make cmake ninja-build pkg-config libuv1-dev node-llhttp libcurl4-openssl-dev libc-ares-dev
			libseccomp-dev libicu-dev libssl-dev libsqlite3-dev libpsl-dev zlib1g-dev libbrotli-dev libzstd-dev
			libxxhash-dev libexpat1-dev libmaxminddb-dev libwslay-dev ca-certificates"
		# Debian 12 has 4.1; where it is gone, 6.0 is the same engine.
		if dpkg-query -W -f='${Status}' libjavascriptcoregtk-6.0-dev 2>/dev/null | grep -q 'ok installed'; then :; else
			packages="$packages libjavascriptcoregtk-4.1-dev"
		fi
		command -v node >/dev/null || packages="$packages nodejs"
		command -v npm >/dev/null || packages="$packages npm"
		;;
	test) packages="$packages git libcmocka-dev clang libclang-rt-dev clang-format clang-tidy procps openssl curl logrotate zsh fish zstd chromium" ;;
	bench) packages="$packages wrk varnish nginx-light libnginx-mod-http-js libnginx-mod-http-lua lua-cjson redis-server util-linux" ;;
	cov) packages="$packages gcovr" ;;
	*) echo "deps.sh: no such purpose: $purpose" >&2 && exit 2 ;;
	esac
done

missing=""
for package in $packages; do
	# any flavour of nginx serves
	if [ "$package" = nginx-light ] && command -v nginx >/dev/null; then continue; fi
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

root=""
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "These Debian packages are missing, and installing them needs root:" >&2
		echo "    apt-get install$missing" >&2
		exit 1
	fi
	root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# Lists that are there may be good enough; fetch them when they are not.
# shellcheck disable=SC2086
$root apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
	$root apt-get update -qq || true
	$root apt-get install -y -qq --no-install-recommends $missing
}
# Debian starts a freshly installed nginx; the benchmarks start their own.
