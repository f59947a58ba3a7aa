// The time of this process, which can be set forward: libraries that keep a token by its end see it end.
let ahead = 0
const Real = globalThis.Date

class Shifted extends Real {
  constructor(...given: ReadonlyArray<unknown>) {
    // @ts-expect-error what a Date is made of is passed on
    super(...(given.length === 0 ? [Real.now() + ahead] : given))
  }
  static override now(): number {
    return Real.now() + ahead
  }
}

globalThis.Date = new Proxy(Shifted, {
  apply: () => new Shifted().toString()
}) as unknown as DateConstructor

/** Sets the time of this process forward. */
export const advance = (millis: number): void => {
  ahead += millis
}
