// Makes the next release of the changesets: versions, a CHANGELOG.md in each package, and how our packages ask for each
// other. `changeset version` takes any new version that a peer's range does not allow for a reason to make a major of
// both, so it sees a range that allows all; afterwards each asks for the release it came with: before 1.0 a minor breaks.
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { dropUnreleased } from "./changelog.js"
import { root } from "./readme.js"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly peerDependencies?: Record<string, string>
}

/** Versions the packages in `folder` by the changesets there, and gives the new version. */
export const version = (folder: string): string => {
  dropUnreleased(folder)
  askForPeers(folder, () => "*")
  execFileSync(join(root, "node_modules", ".bin", "changeset"), ["version"], { cwd: folder, stdio: "inherit" })
  askForPeers(folder, (version) => `^${version}`)
  return manifests(folder).find(({ manifest }) => manifest.private !== true)?.manifest.version ?? ""
}

const askForPeers = (folder: string, range: (version: string) => string): void => {
  const all = manifests(folder)
  const versions = new Map(all.map(({ manifest: { name, version } }) => [name, version]))
  for (const { file, manifest } of all) {
    const peers = manifest.peerDependencies ?? {}
    for (const name of Object.keys(peers)) {
      const version = versions.get(name)
      if (version !== undefined) peers[name] = range(version)
    }
    writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`)
  }
}

const manifests = (folder: string) =>
  readdirSync(join(folder, "packages"))
    .map((name) => join(folder, "packages", name, "package.json"))
    .filter((file) => existsSync(file))
    .map((file) => ({ file, manifest: JSON.parse(readFileSync(file, "utf8")) as Manifest }))

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(`Version ${version(process.argv[2] ?? root)}`)
}
