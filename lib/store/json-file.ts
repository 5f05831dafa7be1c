import { readFile, stat } from 'node:fs/promises';
import type * as v from 'valibot';
import { RbmResumeError, systemErrorCode } from '../errors.js';
import { namingIoFailures } from '../system-error.js';
import { parseJson } from './oci.js';

const MOST_BYTES = 64 << 20;

/**
 * A file with JSON that somebody has named, such as what another verb has printed.
 * @param as.what what a file of another shape is, for the message: `no output of …`
 * @throws RbmResumeError `NO_SUCH_FILE`; `BAD_STATEMENT` where it has another shape or more than 64 MiB; `IO_FAILED`
 */
export async function readJsonFile<S extends v.GenericSchema>(
  file: string,
  as: { readonly schema: S; readonly what: string },
): Promise<v.InferOutput<S>> {
  const text = await namingIoFailures(`reading ${file}`, () => readText(file));
  const parsed = parseJson(as.schema, text);
  if ('value' in parsed) return parsed.value;
  throw badFile(file, `it is ${as.what}: ${parsed.problem}`);
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MOST_BYTES) throw badFile(file, `it has ${size} bytes, and at most ${MOST_BYTES} are read`);
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    throw new RbmResumeError('NO_SUCH_FILE', `${file} is not there`, {
      hint: 'Was it written before?',
      fields: { path: file },
    });
  }
}

const badFile = (file: string, what: string): RbmResumeError =>
  new RbmResumeError('BAD_STATEMENT', `${file} can't be used: ${what}`, {
    hint: 'Write it again.',
    fields: { path: file },
  });
