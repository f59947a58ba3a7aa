import { Duration } from "effect"

/** Keys that nobody knew a source of: each is looked at less and less often, since its row may stay for good. */
export class Strays {
  private readonly known = new Map<string, { readonly rest: number; readonly until: number }>()

  /** The first rest is of `first` milliseconds, each later one twice as long, up to an hour. */
  constructor(private readonly first: number) {}

  /** True where `key` is new among them. */
  add(key: string, now: number): boolean {
    const before = this.known.get(key)
    const rest = before === undefined ? this.first : Math.min(before.rest * 2, Math.max(this.first, LONGEST))
    this.known.set(key, { rest, until: now + rest })
    return before === undefined
  }

  remove(key: string): void {
    this.known.delete(key)
  }

  /** Whether it is too early to look at `key` again. A clock that went back makes it no earlier. */
  isResting(key: string, now: number): boolean {
    const stray = this.known.get(key)
    return stray !== undefined && now < stray.until && stray.until - now <= stray.rest
  }
}

const LONGEST = Duration.toMillis("1 hour")
