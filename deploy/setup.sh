# What the scripts of this tree share: finding a JDK, installing what is missing, building once. Sourced by bash
# scripts that have set `tree` to the top of the tree.
# shellcheck shell=bash

jdk_wanted=25

say() { printf 'portafilter: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 125
}

is_root() { [ "$(id -u)" = 0 ]; }

# Whether a directory is a JDK (with a compiler) of the wanted version or a later one.
is_jdk() {
  local version
  [ -x "$1/bin/javac" ] && [ -r "$1/release" ] || return 1
  version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release")
  [ -n "$version" ] && [ "$version" -ge "$jdk_wanted" ]
}

# Sets JAVA_HOME, or fails without a word.
find_jdk() {
  local candidate in_path
  in_path=$(readlink -f "$(command -v javac || true)" || true)
  for candidate in "${JAVA_HOME:-}" /usr/lib/jvm/*"$jdk_wanted"* /usr/local/lib/jvm/*"$jdk_wanted"* \
    /opt/*"$jdk_wanted"* "${in_path%/bin/javac}"; do
    if [ -n "$candidate" ] && is_jdk "$candidate"; then
      export JAVA_HOME=$candidate
      return 0
    fi
  done
  return 1
}

need_jdk() {
  find_jdk || die "no JDK $jdk_wanted found. Looked in JAVA_HOME (${JAVA_HOME:-not set}), /usr/lib/jvm," \
    "/usr/local/lib/jvm, /opt and PATH. Debian 13 has the package openjdk-$jdk_wanted-jdk-headless. Debian 12 has" \
    "none: unpack any build of OpenJDK $jdk_wanted (Eclipse Temurin, for example) below /usr/lib/jvm, or set JAVA_HOME."
}

package_installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# A line on stderr that shows that a long command is alive: its name and its seconds. The output goes to a log file,
# whose end is shown when the command fails.
with_progress() {
  local what=$1 log=$2 pid started=$SECONDS
  shift 2
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 2 ]; then
      printf '\rportafilter: %s, %d s  ' "$what" $((SECONDS - started)) >&2
    elif [ $(((SECONDS - started) % 15)) = 1 ]; then
      say "$what, $((SECONDS - started)) s"
    fi
    sleep 1
  done
  [ ! -t 2 ] || printf '\r\033[K' >&2
  if wait "$pid"; then
    say "$what: done, $((SECONDS - started)) s"
  else
    tail -n 40 "$log" >&2
    say "$what: failed, the whole output is in $log"
    return 1
  fi
}

update_package_lists() {
  # Lists younger than a day are good enough.
  [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 -print -quit 2>/dev/null)" ] ||
    with_progress "updating the package lists" "$tree/target/apt-update.log" apt-get -q update
}

# Installs those of the named Debian packages that are missing.
install_packages() {
  local missing=() package
  for package in "$@"; do
    package_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  is_root || die "these packages are missing, and only root can install them: ${missing[*]}"
  update_package_lists
  with_progress "installing ${missing[*]}" "$tree/target/apt-install.log" \
    env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}"
}

# Installs what building and serving want: Maven, libseccomp, libisal (decodes gzip; optional at run time), apparmor where
# the kernel has AppArmor on and, where Debian has it, the JDK. Sets JAVA_HOME, or says where a JDK was looked for.
install_ground() {
  install_packages maven libseccomp2 libisal2
  # It compiles the profile that confines containers.
  if grep -qs '^Y' /sys/module/apparmor/parameters/enabled; then install_packages apparmor; fi
  if ! find_jdk; then
    update_package_lists
    [ -z "$(apt-cache search --names-only "^openjdk-$jdk_wanted-jdk-headless$")" ] ||
      install_packages "openjdk-$jdk_wanted-jdk-headless"
  fi
  need_jdk
}

# Gives pods a network: installs Debian's CNI plugins with what they call, and where nobody has configured a network, puts
# our bridge there. What is there stays as it is, a user's own configuration above all.
install_pod_network() {
  local directory=/etc/cni/net.d
  install_packages containernetworking-plugins iptables
  if [ -z "$(find "$directory" -maxdepth 1 \( -name '*.conflist' -o -name '*.conf' -o -name '*.json' \) -print -quit \
    2>/dev/null)" ]; then
    mkdir -p "$directory"
    # as a whole, or not at all: a server may be reading
    install -m 0644 "$tree/deploy/10-portafilter.conflist" "$directory/.10-portafilter.new"
    mv -n "$directory/.10-portafilter.new" "$directory/10-portafilter.conflist"
    say "pods come into the bridge pf0, as $directory/10-portafilter.conflist says"
  fi
}

# Prints a directory that holds the files of a Debian package without installing it: nothing of it is started, and no
# other package has to give way to it.
unpacked_package() {
  local package=$1 root="$tree/target/packages/$1" work
  if [ ! -e "$root/.whole" ]; then
    update_package_lists
    rm -rf "$root"
    mkdir -p "$root"
    work=$(mktemp -d "$tree/target/packages/download.XXXXXX")
    (cd "$work" && with_progress "fetching $package" "$tree/target/apt-download.log" \
      apt-get -q -o APT::Sandbox::User=root download "$package") || return 1
    dpkg-deb -x "$work"/*.deb "$root"
    rm -rf "$work"
    touch "$root/.whole"
  fi
  printf '%s\n' "$root"
}

# Prints the path of a static busybox. Debian's packages busybox and busybox-static exclude one another, so a machine
# that has the first keeps it.
static_busybox() {
  if package_installed busybox-static; then
    echo /bin/busybox
  else
    local root
    root=$(unpacked_package busybox-static) || return 1
    if [ -e "$root/bin/busybox" ]; then echo "$root/bin/busybox"; else echo "$root/usr/bin/busybox"; fi
  fi
}

# The JDK's own warnings about Maven's libraries are nothing that a user could act on.
export_maven_options() {
  export MAVEN_OPTS="${MAVEN_OPTS:-} --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED"
}

server_stamp="$tree/cri-server/target/.built"

# Whether the server's jars are there and no source, directory of sources (a deleted file) or POM is newer.
is_built() {
  [ -e "$server_stamp" ] && [ -e "$tree/cri-server/target/cri-server.jar" ] &&
    [ -z "$(find "$tree"/{proto,sandbox-runtime,cri-server}/src/main "$tree"/{proto,sandbox-runtime,cri-server}/pom.xml \
      "$tree/pom.xml" -newer "$server_stamp" -print -quit)" ]
}

# The time of a stamp is that of the build's begin: what changes meanwhile is built the next time.
begin_build() {
  mkdir -p "$tree/target"
  touch "$tree/target/build-began"
}

end_build() { mv "$tree/target/build-began" "$server_stamp"; }

build_once() {
  ! is_built || return 0
  need_jdk
  command -v mvn >/dev/null || die "Maven is missing: apt-get install maven (deploy/up does it)"
  mkdir -p "$tree/target"
  (
    # Two that start at once build once.
    flock 9
    ! is_built || exit 0
    begin_build
    export_maven_options
    cd "$tree" || exit 1
    # A library that is no longer used would stay on the class path.
    rm -rf cri-server/target/{lib,native,dependency-maven-plugin-markers}
    with_progress "building" "$tree/target/build.log" \
      mvn -B -ntp -pl cri-server -am package -Dmaven.test.skip=true && end_build
  ) 9>"$tree/target/build.lock" || exit 125
}

# The class path in a fixed order: an AOT cache is good for one class path only.
server_class_path() {
  local jar path="$tree/cri-server/target/cri-server.jar"
  for jar in "$tree"/cri-server/target/lib/*.jar; do path+=":$jar"; done
  printf '%s\n' "$path"
}

# Fills `jvm` with the java command line up to the main class.
#
# The heap bound, the serial collector and the first compiler keep an idle server small (measured: 62 MB PSS after
# 11,000 calls instead of 197); the server's work is waiting for the kernel, not computing. Cryptography is computing,
# and so is the format of logs: the directives give them the second compiler to themselves. Java tells on stdout that it
# has read them, but for -DisplayVMOutput; its warnings go to stderr, as stdout is the containers'.
#
# A young generation of 4 MiB instead of 1 costs 3 MB and saves two of three collections, each of which stops a launch
# for half a millisecond. Compiling earlier (CompileThresholdScaling=0.2) halves the time of a young server's launches
# and costs 13 MB for good: not done.
#
# glibc keeps what a burst of calls has used of its memory; twice a minute it is given back, which takes the processor a
# few milliseconds and is a thirtieth of an idle server.
#
# A server without memory is better started anew than half alive: its containers do not depend on it.
#
# A call into the kernel holds the thread that carries a virtual one, and by default there are as many of these as
# processors: on a small node two launches that wait would keep all other calls waiting.
#
# Without its output the virtual machine would also end without a word when the heap is used up (exit status 3): a shell
# says it.
#
# The AOT cache halves the time to the first answer. -XX:ArchiveRelocationMode=0 would save some anonymous memory on
# top, but it maps the archive at one address on every machine: a runtime for untrusted code does not give that up.
set_jvm() {
  # Java encodes names of files as the locale says, and systemd sets none: a volume of another name than ASCII would be no path.
  export LC_ALL=C.UTF-8
  local native="$tree/cri-server/target/native"
  jvm=("$JAVA_HOME/bin/java" -Xlog:disable -Xlog:all=warning:stderr -XX:+UseSerialGC -Xms12m -Xmn4m
    "-Xmx${PORTAFILTER_HEAP:-64m}" -XX:+UnlockDiagnosticVMOptions -XX:-DisplayVMOutput
    "-XX:CompilerDirectivesFile=$tree/deploy/compiler-directives.json" -XX:+ExitOnOutOfMemoryError
    "-XX:OnOutOfMemoryError=echo 'the Java heap of ${PORTAFILTER_HEAP:-64m} is used up: give more by PORTAFILTER_HEAP' >&2"
    -XX:TrimNativeHeapInterval=30000 -Djdk.httpclient.bufsize=65536 -Djdk.virtualThreadScheduler.parallelism=8
    --enable-native-access=ALL-UNNAMED)
  if [ -d "$native" ]; then
    # Unpacked at build time: works with a noexec /tmp, and is faster than unpacking at each start.
    jvm+=("-Djava.library.path=$native" "-Djna.boot.library.path=$native" -Djna.nounpack=true
      "-Dorg.sqlite.lib.path=$native" -Dorg.sqlite.lib.name=libsqlitejdbc.so)
    local zstd
    for zstd in "$native"/libzstd-jni-*.so; do jvm+=("-DZstdNativePath=$zstd"); done
  fi
  # PORTAFILTER_JAVA_OPTIONS: more arguments for java, split at blanks.
  # shellcheck disable=SC2206
  jvm+=(${PORTAFILTER_JAVA_OPTIONS:-})
}

# Prints the path of the AOT cache that belongs to these jars, this JDK and these arguments. Java refuses a cache that
# does not fit, with a warning and a slow start; so another state of the tree has another name.
aot_cache() {
  local key
  key=$({
    printf '%s\n' "${jvm[@]}"
    cat "$JAVA_HOME/release"
    stat -c '%n %s %Y' "$tree/cri-server/target/cri-server.jar" "$tree"/cri-server/target/lib/*.jar
  } | sha256sum)
  printf '%s\n' "$tree/cri-server/target/aot/${key:0:16}.aot"
}

# Writes an OCI image layout whose one layer is busybox and the names of its applets. All times and owners are fixed:
# the same busybox gives the same image.
make_busybox_layout() {
  local layout=$1 busybox=$2 root work applet layer config manifest architecture
  work=$(mktemp -d)
  root=$work/root
  mkdir -p "$root"/{bin,etc,home,proc,root,sys,dev,tmp,var} "$work/blobs/sha256"
  chmod 0755 "$root" "$root"/*
  chmod 0700 "$root/root"
  chmod 1777 "$root/tmp"
  install -m 0755 "$busybox" "$root/bin/busybox"
  for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  chmod 0644 "$root"/etc/*
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=posix \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -C "$root" -cf "$work/layer" .
  layer=$(blob "$work" layer)
  case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) architecture=$(uname -m) ;;
  esac
  printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$architecture" "${layer% *}" >"$work/config"
  config=$(blob "$work" config)
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
    "$(descriptor image.config.v1+json "$config")" "$(descriptor image.layer.v1.tar "$layer")" >"$work/manifest"
  manifest=$(blob "$work" manifest)
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}' \
    "$(descriptor image.manifest.v1+json "$manifest" ',"annotations":{"org.opencontainers.image.ref.name":"latest"}')" \
    >"$work/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
  rm -rf "$root" "$layout"
  mkdir -p "$(dirname "$layout")"
  mv "$work" "$layout"
}

# Moves a file of the layout to its place among the blobs and prints its digest and size.
blob() {
  local digest
  digest=$(sha256sum <"$1/$2")
  digest=${digest%% *}
  printf '%s %s' "$digest" "$(stat -c %s "$1/$2")"
  mv "$1/$2" "$1/blobs/sha256/$digest"
}

descriptor() {
  printf '{"mediaType":"application/vnd.oci.%s","digest":"sha256:%s","size":%s%s}' "$1" "${2% *}" "${2#* }" "${3:-}"
}

# Makes the AOT cache once per build: a server of its own directories runs pods and is ended by SIGTERM, upon which java
# writes down the classes that it loaded, how it linked them, and what it compiled.
train_aot_cache() {
  local cache
  is_root || return 1
  need_jdk
  set_jvm
  cache=$(aot_cache)
  [ ! -s "$cache" ] || return 0
  mkdir -p "$tree/target" "$(dirname "$cache")"
  rm -f "$(dirname "$cache")"/*
  with_progress "making the AOT cache" "$tree/target/aot.log" aot_training "$cache"
}

# Asks a server of its own for what kubelet asks of one; writes the cache when the server answered.
#
# What was compiled here, a server with the cache compiles as soon as it looks at a method (after 128 calls instead of
# 256), and in the same way: by the first compiler alone, without the counters that the second one would want. So
# whatever is called twice is compiled here, but for what the directives give to the second compiler: once written down
# as done by the first, it would stay there. That takes a quarter off the processor time of a young server's first 300
# launches, and costs no memory: code without counters is smaller.
aot_training() {
  local cache=$1 work server sleeper command served=0 deadline=$((SECONDS + 60)) busybox pattern
  local compiled=(-XX:TieredStopAtLevel=1 -XX:CompileThresholdScaling=0.01)
  while read -r pattern; do
    compiled+=("-XX:CompileCommand=exclude,$pattern")
  done < <(grep -o '"[a-z][^"]*"' "$tree/deploy/compiler-directives.json" | tr -d '"')
  work=$(mktemp -d) || return 1
  "${jvm[@]}" "${compiled[@]}" "-XX:AOTCacheOutput=$cache.new" -cp "$(server_class_path)" io.portafilter.cli.Main \
    serve --root "$work/root" --state "$work/state" --listen "unix://$work/portafilter.sock" &
  server=$!
  while [ ! -S "$work/portafilter.sock" ] && kill -0 "$server" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
    sleep 0.1
  done
  training_command() {
    "${jvm[@]}" -cp "$(server_class_path)" io.portafilter.cli.Main "$1" --listen "unix://$work/portafilter.sock" "${@:2}"
  }
  if busybox=$(static_busybox); then
    make_busybox_layout "$work/busybox" "$busybox"
    training_command import "$work/busybox"
    training_command run "$tree/deploy/examples/hello.yaml"
    training_command run --rm "$tree/deploy/examples/restricted.yaml"
    training_pod >"$work/pod.yaml"
    training_command run --rm "$work/pod.yaml" &
    sleeper=$!
    for _ in 1 2 3 4 5; do
      ! training_command exec training touch /seen || break
    done
    wait "$sleeper" || true
  fi
  for command in images pods ps; do
    ! training_command "$command" || served=1
  done
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || true
  rm -rf "$work"
  [ $served = 1 ] && [ -s "$cache.new" ] && mv "$cache.new" "$cache"
}

# A pod that runs until somebody came into it.
training_pod() {
  cat <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: training
spec:
  restartPolicy: Never
  containers:
    - name: training
      image: localhost/busybox:latest
      command: ["sh", "-c", "for i in $(seq 300); do [ ! -e /seen ] || exit 0; sleep 0.1; done"]
END
}
