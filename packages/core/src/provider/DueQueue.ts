/** Hands out items in the order of their time; an item that is put again counts at its newest time only. */
export class DueQueue<A extends { dueAt: number }> {
  private heap: Array<{ readonly at: number; readonly item: A }> = []
  /** How many items are in it: the rest of the heap has been put again or taken out. */
  private live = 0

  /** Puts `item` at `at`; `Infinity` takes it out. True where it is now the first. */
  put(item: A, time: number): boolean {
    const at = Math.ceil(time)
    this.live += Number(at < Number.POSITIVE_INFINITY) - Number(item.dueAt < Number.POSITIVE_INFINITY)
    item.dueAt = at
    if (this.heap.length > SLACK && this.heap.length > 2 * this.live) this.compact()
    if (at === Number.POSITIVE_INFINITY) return false
    this.heap.push({ at, item })
    for (let index = this.heap.length - 1; index > 0; ) {
      const parent = (index - 1) >> 1
      if (this.at(parent) <= this.at(index)) return false
      this.swap(index, parent)
      index = parent
    }
    return true
  }

  /** Takes the first item that is due at `now`, if there is one. */
  take(now: number): A | undefined {
    this.clean()
    const first = this.heap[0]
    if (first === undefined || first.at > now) return undefined
    this.drop()
    this.live--
    first.item.dueAt = Number.POSITIVE_INFINITY
    return first.item
  }

  /** When the first item is due; `Infinity` where there is none. */
  next(): number {
    this.clean()
    return this.at(0)
  }

  private at(index: number): number {
    return this.heap[index]?.at ?? Number.POSITIVE_INFINITY
  }

  private swap(a: number, b: number): void {
    const [first, second] = [this.heap[a], this.heap[b]]
    if (first === undefined || second === undefined) return
    this.heap[a] = second
    this.heap[b] = first
  }

  private clean(): void {
    for (let first = this.heap[0]; first !== undefined && first.item.dueAt !== first.at; first = this.heap[0])
      this.drop()
  }

  /** Leaves nothing but what counts; in order, which is a heap. */
  private compact(): void {
    const seen = new Set<A>()
    const counts = ({ at, item }: { readonly at: number; readonly item: A }) =>
      item.dueAt === at && !seen.has(item) && seen.add(item).has(item)
    this.heap = this.heap.filter(counts).sort((a, b) => a.at - b.at)
  }

  private drop(): void {
    this.swap(0, this.heap.length - 1)
    this.heap.pop()
    for (let index = 0; ; ) {
      const left = 2 * index + 1
      const least = this.at(left + 1) < this.at(left) ? left + 1 : left
      if (this.at(index) <= this.at(least)) return
      this.swap(index, least)
      index = least
    }
  }
}

const SLACK = 64
