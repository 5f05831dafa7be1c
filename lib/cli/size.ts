import { RbmResumeError } from '../errors.js';

const POWERS: readonly string[] = ['', 'K', 'M', 'G', 'T'];

/**
 * A size in bytes, as `split -b` takes it: `400M` and `400MiB` count in 1024, `400MB` in 1000; a number alone is bytes.
 * Source: split(1).
 * @throws RbmResumeError `USAGE` when it is none, is 0, or is more than can be counted
 */
export function parseSize(text: string): number {
  const [, digits = '', unit = '', suffix = ''] = /^(\d+)\s*(?:([KMGT])(i?B)?|B)?$/i.exec(text) ?? [];
  const size = Number(digits) * (/^b$/i.test(suffix) ? 1000 : 1024) ** POWERS.indexOf(unit.toUpperCase());
  if (Number.isSafeInteger(size) && size > 0) return size;
  throw new RbmResumeError('USAGE', `not a size: "${text}"`, {
    hint: 'Such as 400M, 2G or 500000000.',
  });
}
