# Sourced by scripts that run the Python reference: the environment .deps/peers, apart from the program's own.
# A requirements file that was installed is kept beside it, so that a second call takes no time.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
peers="$root/.deps/peers"

# install_requirements FILE: pip-installs scripts/reference/FILE unless that very file is installed already.
install_requirements() {
  local wanted="$root/scripts/reference/$1" installed="$peers/$1"
  cmp -s "$wanted" "$installed" && return
  echo "installing scripts/reference/$1 into .deps/peers (PyTorch takes about 5 GB)" >&2
  [[ -x "$peers/bin/pip" ]] || python3 -m venv "$peers"
  "$peers/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
  cp "$wanted" "$installed"
}

# install_learn2learn: its source package builds only with old tools and needs gym, so take just the MAML algorithm.
install_learn2learn() {
  local version=0.2.0 installed="$peers/learn2learn-maml"
  [[ -e "$installed" ]] && return
  echo "unpacking learn2learn $version into .deps/peers" >&2
  local folder
  folder="$(mktemp -d)"
  python3 -m venv "$folder/old"
  "$folder/old/bin/python" -m pip install --quiet --disable-pip-version-check "setuptools<70" wheel "cython<3"
  "$folder/old/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary learn2learn \
    --no-build-isolation --dest "$folder" "learn2learn==$version"
  tar -xzf "$folder/learn2learn-$version.tar.gz" -C "$folder"
  local from="$folder/learn2learn-$version/learn2learn" to
  to="$("$peers/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/learn2learn"
  mkdir -p "$to/algorithms" "$to/utils"
  cp "$from/algorithms/maml.py" "$from/algorithms/base_learner.py" "$to/algorithms/"
  cp "$from/utils/__init__.py" "$to/utils/"
  echo "__version__ = '$version'" >"$to/__init__.py"
  touch "$to/algorithms/__init__.py" "$installed"
  rm -r "$folder"
}

# install_package: compiles the Python package; its build folder is kept, so that only what changed is compiled again.
install_package() {
  "$peers/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall "$root"
}

# run_reference MODULE ARGUMENT...: python -m reference.MODULE in the caller's working directory.
run_reference() {
  PYTHONPATH="$root/scripts" exec "$peers/bin/python" -m "reference.$1" "${@:2}"
}
