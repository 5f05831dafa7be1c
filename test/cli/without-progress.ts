/** What a command has said, without the lines on how far it is: a slow machine has more of them. */
export const withoutProgress = (stderr: string): string =>
  stderr.replace(/^rbm-resume: [\w ]+ \.\.\.\n/gm, '');
