/** The known name that `name` was probably meant to be, for an error that does not repeat `name`. */
export const nearest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  const far = (other: string) => distance(plain(name), plain(other)) / Math.max(plain(name).length, other.length)
  const [best] = known.filter((other) => far(other) <= 0.4).sort((a, b) => far(a) - far(b))
  return best
}

/** What would be right in place of `name`. */
export const meant = (name: string, known: ReadonlyArray<string>): string => {
  const near = nearest(name, known)
  return near === undefined ? `expected ${known.join(", ")}` : `did you mean "${near}"?`
}

/** As other spellings have it too; the first letters are enough. */
const plain = (name: string) => name.slice(0, 40).replace(/[_-]/g, "").toLowerCase()

/** How many letters have to be put in, left out or changed to make `b` of `a` (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const change = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
