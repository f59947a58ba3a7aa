// Keeps `npm ci` working on every platform and quiet: the lockfile must name the variants of native packages for all
// platforms (npm leaves out those it did not find when it wrote the file), and package.json must say which packages
// may run install scripts.
import { readFileSync } from "node:fs"

interface Lockfile {
  readonly packages: Readonly<
    Record<
      string,
      { readonly optionalDependencies?: Readonly<Record<string, string>>; readonly hasInstallScript?: boolean }
    >
  >
}

const read = (path: string) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8"))
const { packages }: Lockfile = read("package-lock.json")
const { allowScripts }: { readonly allowScripts: Readonly<Record<string, boolean>> } = read("package.json")
const name = (path: string) => path.replace(/^.*node_modules\//, "")

const locked = new Set(Object.keys(packages).map(name))
const problems = Object.entries(packages).flatMap(([path, { hasInstallScript, optionalDependencies = {} }]) => [
  ...Object.keys(optionalDependencies)
    .filter((optional) => !locked.has(optional))
    .map((optional) => `package-lock.json lacks ${optional}, which ${name(path)} needs on other platforms`),
  ...(hasInstallScript === true && !(name(path) in allowScripts)
    ? [`allowScripts in package.json does not say whether ${name(path)} may run its install script`]
    : [])
])

for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
