import type { Command } from 'commander';

/**
 * The verbs, in the order of the help. Each comes with its module only when it is asked for: all of them together take twice
 * as long to load as Node.js takes to start.
 */
const VERBS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  run: async () => (await import('./run.js')).registerRun,
  leg: async () => (await import('./leg.js')).registerLeg,
  ci: async () => (await import('./ci.js')).registerCi,
  prove: async () => (await import('./prove.js')).registerProve,
  plan: async () => (await import('./plan.js')).registerPlan,
  report: async () => (await import('./report.js')).registerReport,
  compare: async () => (await import('./compare.js')).registerCompare,
  interrupt: async () => (await import('./interrupt.js')).registerInterrupt,
  status: async () => (await import('./status.js')).registerStatus,
  list: async () => (await import('./list.js')).registerList,
  keygen: async () => (await import('./keygen.js')).registerKeygen,
  pack: async () => (await import('./pack.js')).registerPack,
  inspect: async () => (await import('./inspect.js')).registerInspect,
  ls: async () => (await import('./ls.js')).registerLs,
  cat: async () => (await import('./cat.js')).registerCat,
  diff: async () => (await import('./diff.js')).registerDiff,
  restore: async () => (await import('./restore.js')).registerRestore,
  shell: async () => (await import('./shell.js')).registerShell,
  verify: async () => (await import('./verify.js')).registerVerify,
  remove: async () => (await import('./remove.js')).registerRemove,
  prune: async () => (await import('./prune.js')).registerPrune,
  export: async () => (await import('./export.js')).registerExport,
  import: async () => (await import('./import.js')).registerImport,
  push: async () => (await import('./push.js')).registerPush,
  pull: async () => (await import('./pull.js')).registerPull,
  init: async () => (await import('./init.js')).registerInit,
  doctor: async () => (await import('./doctor.js')).registerDoctor,
  explain: async () => (await import('./explain.js')).registerExplain,
};

/** Registers the verb that the arguments begin with, after a `--store`; all verbs where they begin otherwise. */
export async function registerVerbs(program: Command, args: readonly string[]): Promise<void> {
  const [first = ''] = args;
  const verb = args[first === '--store' ? 2 : first.startsWith('--store=') ? 1 : 0] ?? '';
  const wanted = Object.hasOwn(VERBS, verb) ? [VERBS[verb]] : Object.values(VERBS);
  for (const load of wanted) (await load?.())?.(program);
}
