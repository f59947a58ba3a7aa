import { Effect, Tracer } from "effect"

/** The tracer at hand, which also shows each span at its end. */
export const watchedSpans = (ended: (name: string, attributes: ReadonlyMap<string, unknown>) => void) =>
  Effect.map(Effect.tracer, (native) =>
    Tracer.make({
      context: (run, fiber) => native.context(run, fiber),
      span: (name, ...rest) => {
        const span = native.span(name, ...rest)
        const end = span.end.bind(span)
        span.end = (time, exit) => {
          end(time, exit)
          ended(name, span.attributes)
        }
        return span
      }
    })
  )
