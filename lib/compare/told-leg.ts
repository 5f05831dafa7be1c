import * as v from 'valibot';

const isoTime = v.pipe(v.string(), v.maxLength(40), v.isoTimestamp());
const text = v.pipe(v.string(), v.maxLength(8192));
/** Not there in statements of earlier versions. */
const since = <S extends v.GenericSchema>(schema: S) => v.optional(v.nullable(schema), null);

/** What provenance says of a leg (lib/container/provenance.ts). */
export const toldLegSchema = v.object({
  startedAt: isoTime,
  endedAt: since(isoTime),
  seconds: since(v.pipe(v.number(), v.finite(), v.minValue(0))),
  /** The script in which it was stopped, and where in it; `null` of the last leg. */
  stoppedIn: since(text),
  place: since(text),
  /** The machine or CI job that it ran on, by its own account. */
  builder: since(text),
});

export type ToldLeg = v.InferOutput<typeof toldLegSchema>;
