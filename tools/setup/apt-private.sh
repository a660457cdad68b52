# Sourced: an apt of our own below the cache folder, for i386 packages and sources. The machine's own apt keeps its
# architectures, lists and sources; nothing outside the cache folder is written, and no root is needed.
#
#   apt_private_prepare        make the folder and update its lists (once a run)
#   apt_private get|cache ...  apt-get or apt-cache with that folder

apt_state=$cache/apt

apt_private() {
    local tool=$1
    shift
    "apt-$tool" -q -o "Dir::State=$apt_state" -o "Dir::State::status=$apt_state/status" \
        -o "Dir::State::lists=$apt_state/lists" -o "Dir::Cache=$apt_state" \
        -o "Dir::Etc::sourcelist=$apt_state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o APT::Architectures=amd64,i386 -o APT::Sandbox::User= "$@"
}

# The machine's own Debian mirrors, in whatever form /etc/apt has them.
apt_private_sources() {
    local codename site release component
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u |
        while read -r site release component; do
            case $release in
            "$codename" | "$codename"-updates | "$codename"-security | "$codename"/updates) ;;
            *) continue ;;
            esac
            [ "$component" = main ] || continue
            echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $release main"
            echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $release main"
        done
}

apt_private_prepare() {
    [ -z "${apt_prepared:-}" ] || return 0
    mkdir -p "$apt_state/lists/partial" "$apt_state/archives/partial"
    : >>"$apt_state/status"
    apt_private_sources >"$apt_state/sources.list"
    if [ ! -s "$apt_state/sources.list" ]; then
        echo "setup: this machine's apt has no Debian source of its own release (main)" >&2
        return 5
    fi
    echo "setup: updating the package lists in $apt_state" >&2
    apt_private get update >&2 || echo "setup: apt-get update reported an error; going on with the lists there are" >&2
    apt_prepared=1
}

# apt_private_unpack DIRECTORY PACKAGE...: downloads the packages and unpacks them together into an empty directory.
apt_private_unpack() {
    local target=$1 work=$1.download deb
    shift
    rm -rf "$target" "$work"
    mkdir -p "$target" "$work"
    (cd "$work" && apt_private get download "$@" >&2)
    for deb in "$work"/*.deb; do
        dpkg-deb -x "$deb" "$target"
    done
    rm -rf "$work"
}
