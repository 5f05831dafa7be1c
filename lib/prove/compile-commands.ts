import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A program that compiles, with a path, a target in front of its name, or a version after it. */
const COMPILER = String.raw`(?:\S*/)?(?:[\w.]+-)*(?:cc|c\+\+|gcc|g\+\+|clang|clang\+\+|rustc|clang-cl|nasm|yasm|ldc2|gfortran)(?:-\d[\d.]*)?`;

/** What may stand in front of it: variables, launchers, what libtool says. */
const BEFORE = String.raw`(?:libtool: compile:\s+|Running \x60?|\+ |env |(?:\S*/)?[cs]cache |[A-Za-z_]\w*=\S* )*`;

const COMPILATIONS: readonly RegExp[] = [
  // ninja's steps, compilations or not: `[17/2048] ...`
  /^\[\d+\/\d+\] /,
  // make, where it echoes: a compiler that is told what to compile
  new RegExp(String.raw`^\s*${BEFORE}${COMPILER}\s(?:.*\s)?(?:-c|-S|--crate-name|--crate-type|-o)(?:\s|=|$)`),
  // CMake's makefiles
  /^\[ *\d+%\] Building /,
  // cargo
  /^\s+Compiling \S+ v\d/,
  // automake and Kbuild, where they are told to be short
  /^\s+(?:CC|CXX|AS|HOSTCC|HOSTCXX|LD|CCLD|CXXLD)(?:\s+\[M\])?\s+\S+$/,
];

/** Whether a line of a build's log announces a compilation, or another step of a build tool that does not repeat any. */
export const isCompileCommand = (line: string): boolean => COMPILATIONS.some((pattern) => pattern.test(line));

/** How many lines of a log, from a byte on, announce a compilation. */
export async function countCompileCommands(log: string, start: number): Promise<number> {
  const lines = createInterface({ input: createReadStream(log, { start }), crlfDelay: Infinity });
  let count = 0;
  for await (const line of lines) if (isCompileCommand(line)) count += 1;
  return count;
}
