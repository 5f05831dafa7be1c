/** Programs that stop well when they are interrupted and then go on from what is there. */
const RESTARTABLE =
  /^(?:[A-Za-z_]\w*=\S*\s+)*(?:(?:exec|command|time|nice|env|nohup)\s+)*(?:\S*\/)?(?:g?make|ninja(?:-build)?|samu|cargo|mach|scons|waf|bazel|x\.py|cmake\s+--(?:build|install)|meson\s+(?:compile|install)|go\s+(?:build|install|test))(?=\s|$)/;

/** Whether a command is one that is interrupted at once rather than waited for. */
export const isRestartable = (command: string): boolean => RESTARTABLE.test(command);
