import { PERL_PACKAGES } from '../setup/doctor/perl.js';
import { VERSION } from '../version.js';

const PROGRAMS = [
  'acl',
  'attr',
  'curl',
  'git',
  'iproute2',
  'make',
  'mmdebstrap',
  'skopeo',
  'uidmap',
  'xz-utils',
  'zstd',
];

/** Makes a bare Debian or Ubuntu machine ready for rbm and for this package; run in the workspace. */
export const DEFAULT_PREPARE: readonly string[] = [
  'sudo=$(command -v sudo || true)',
  '$sudo apt-get update -qq',
  `$sudo apt-get install -y -qq --no-install-recommends ${[...PROGRAMS, ...PERL_PACKAGES].join(' ')}`,
  // Ubuntu 24.04 lets no unprivileged user have a user namespace of its own otherwise.
  '$sudo sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0 || true',
  `$sudo npm install --global --loglevel=error rbm-resume@${VERSION}`,
  'rbm-resume init --yes',
];
