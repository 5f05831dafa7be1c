import { fromBytes, toBytes } from '../rootfs/entry.js';
import { badLayer } from './bad-layer.js';

/** One record of a pax header: a key as byte string, and the bytes of its value, which may be any. */
export interface PaxRecord {
  readonly key: string;
  readonly value: Buffer;
}

/**
 * Reads the records of a pax header, `LENGTH KEY=VALUE\n` each, where LENGTH is that of the whole record in bytes.
 * Source: POSIX pax, "pax Extended Header".
 * @throws RbmResumeError `BAD_LAYER` when anything but whole records is in it
 */
export function* parsePaxRecords(data: Buffer): Generator<PaxRecord> {
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(0x20, at);
    const digits = space === -1 || space - at > 10 ? '' : fromBytes(data.subarray(at, space));
    const end = at + Number(digits);
    const equals = data.indexOf(0x3d, space);
    const isWhole = /^[1-9]\d*$/.test(digits) && end <= data.length && data[end - 1] === 0x0a;
    if (!isWhole || equals <= space + 1 || equals >= end) throw badLayer('its pax header is malformed');
    yield { key: fromBytes(data.subarray(space + 1, equals)), value: data.subarray(equals + 1, end - 1) };
    at = end;
  }
}

/** A record of a pax header as bytes. */
export function encodePaxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([toBytes(` ${key}=`), value, toBytes('\n')]);
  let digits = 1;
  while (String(rest.length + digits).length > digits) digits += 1;
  return Buffer.concat([toBytes(String(rest.length + digits)), rest]);
}

/**
 * A decimal number of a pax record, without a sign or a zero in front.
 * @throws RbmResumeError `BAD_LAYER` when it is none, or greater than `most`
 */
export function parsePaxNumber(text: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= most)) throw badLayer('a number in its pax header is malformed or out of range');
  return value;
}

/**
 * A time of a pax record as `tv_sec.tv_nsec`: `-0.75` is `-1.250000000`. What is finer than a nanosecond is rounded
 * down, as GNU tar does.
 * @throws RbmResumeError `BAD_LAYER`
 */
export function parsePaxTime(text: string): string {
  const match = /^(-?)(0|[1-9]\d{0,15})(?:\.(\d+))?$/.exec(text);
  if (match === null) throw badLayer('a time in its pax header is malformed');
  const [, sign, seconds = '', fraction = ''] = match;
  const whole = parsePaxNumber(seconds, Number.MAX_SAFE_INTEGER - 1);
  const nanos = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return formatTime(whole, nanos);
  const down = nanos + (/[1-9]/.test(fraction.slice(9)) ? 1 : 0);
  return down === 0 ? formatTime(-whole, 0) : formatTime(-whole - 1, 1_000_000_000 - down);
}

/** `tv_sec.tv_nsec`, with nine decimals. */
export const formatTime = (seconds: number, nanos: number): string =>
  `${seconds}.${String(nanos).padStart(9, '0')}`;
