import { basename } from 'node:path';
import type { ContainerProcess } from './process-status.js';

const SHELLS: ReadonlySet<string> = new Set([
  'sh',
  'ash',
  'bash',
  'dash',
  'fish',
  'hush',
  'ksh',
  'ksh93',
  'lksh',
  'mksh',
  'oksh',
  'posh',
  'rbash',
  'static-sh',
  'yash',
  'zsh',
]);

/**
 * Whether a process is a shell, which would go on with its script's next line: by the program that it runs, not by the
 * name that it gives itself. A subshell is one too, and so is a fork of a shell that has not yet become what it will.
 * BusyBox is all programs at once and tells them apart by its arguments.
 */
export function isShell({ executable, command }: Pick<ContainerProcess, 'executable' | 'command'>): boolean {
  if (executable === undefined) return false;
  const program = basename(executable).replace(/ \(deleted\)$/, '');
  if (!program.startsWith('busybox')) return isShellName(program);
  const [first, second] = command.map((word) => basename(word).replace(/^-/, ''));
  return isShellName((first?.startsWith('busybox') ? second : first) ?? '');
}

/** Also with a version at its end, as distributions name a second one: `bash-5.2`, `ksh93u`, `zsh5`. */
const isShellName = (name: string): boolean => SHELLS.has(name) || SHELLS.has(name.replace(/-?\d.*$/, ''));
