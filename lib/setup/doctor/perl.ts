import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.js';
import { exec } from '../../exec.js';
import { SHIM_LIB } from '../shim.js';
import { debianInstall, ok, problem, type Finding } from './finding.js';

/** What rbm, its `container` script and the shim load, and the Debian package that brings it. */
const MODULES: Readonly<Record<string, string>> = {
  'Capture::Tiny': 'libcapture-tiny-perl',
  Cwd: 'perl',
  'Data::Dump': 'libdata-dump-perl',
  'Data::UUID': 'libdata-uuid-perl',
  DateTime: 'libdatetime-perl',
  'Digest::SHA': 'libdigest-sha-perl',
  Encode: 'perl',
  English: 'perl',
  'File::Copy::Recursive': 'libfile-copy-recursive-perl',
  'File::Path': 'perl',
  'File::Temp': 'perl',
  'Getopt::Long': 'perl',
  'JSON::PP': 'perl',
  'Path::Tiny': 'libpath-tiny-perl',
  'Sort::Versions': 'libsort-versions-perl',
  'String::ShellQuote': 'libstring-shellquote-perl',
  Template: 'libtemplate-perl',
  'YAML::XS': 'libyaml-libyaml-perl',
  'syscall.ph': 'perl',
};

/** What only some versions of rbm load: looked for when the rbm at hand names it. */
const SOMETIMES: Readonly<Record<string, string>> = {
  'File::Slurp': 'libfile-slurp-perl',
  'IO::All': 'libio-all-perl',
  'IO::CaptureOutput': 'libio-captureoutput-perl',
  'IO::Handle::Util': 'libio-handle-util-perl',
  JSON: 'libjson-perl',
  LWP: 'libwww-perl',
  'LWP::UserAgent': 'libwww-perl',
};

const SHIM = 'RBM::Resume';

export interface PerlFacts {
  /** The modules that were tried. */
  readonly tried: readonly string[];
  /** Those that can't be loaded, with Perl's first line about it. */
  readonly failed: Readonly<Record<string, string>>;
  /** Why perl itself could not be asked; `null` when it was. */
  readonly error: string | null;
}

const LOAD = `
  unshift @INC, shift;
  foreach my $name (@ARGV) {
      my $file = $name =~ /\\.ph$/ ? $name : ($name =~ s{::}{/}gr) . '.pm';
      next if eval { local $SIG{__WARN__} = sub {}; require $file; 1 };
      print $name, "\\t", (split /\\n/, $@)[0], "\\n";
  }
`;

/** Loads the modules in one perl, the one that rbm's own first line names. */
export async function readPerlFacts(options: {
  readonly rbmDir: string | null;
  readonly env: NodeJS.ProcessEnv;
  /** @default /usr/bin/perl */
  readonly perl?: string;
}): Promise<PerlFacts> {
  const { rbmDir, env, perl = '/usr/bin/perl' } = options;
  const tried = [...Object.keys(MODULES), ...(rbmDir === null ? [] : await namedBy(rbmDir)), SHIM];
  const PERL5LIB = env.PERL5LIB;
  try {
    const { stdout } = await exec([perl, '-e', LOAD, SHIM_LIB, ...tried], {
      allowStderr: true,
      ...(PERL5LIB === undefined ? {} : { env: { PERL5LIB } }),
    });
    const lines = stdout.toString().split('\n').slice(0, -1);
    const failed = lines.map((line) => line.split('\t', 2));
    return { tried, failed: Object.fromEntries(failed) as Record<string, string>, error: null };
  } catch (error) {
    return { tried, failed: {}, error: messageOf(error) };
  }
}

export function judgePerl({ tried, failed, error }: PerlFacts): Finding[] {
  const check = 'perl-modules';
  if (error !== null)
    return [problem(check, `perl can't be asked for its modules: ${error}`, debianInstall(['perl']))];
  const packageOf = (name: string) => MODULES[name] ?? SOMETIMES[name];
  const missing = Object.keys(failed).filter((name) => packageOf(name) !== undefined);
  if (missing.length > 0) {
    const packages = missing.flatMap((name) => packageOf(name) ?? []);
    return [problem(check, `perl can't load ${missing.join(', ')}`, debianInstall(packages.sort()))];
  }
  const shim = failed[SHIM];
  if (shim !== undefined) {
    return [problem(check, `perl can't load the shim: ${shim}`, 'Install the package rbm-resume anew.')];
  }
  return [ok(check, `perl loads the ${tried.length - 1} modules that rbm needs, and the shim`)];
}

async function namedBy(rbmDir: string): Promise<string[]> {
  const files = ['rbm', 'container', 'lib/RBM.pm', 'lib/RBM/DefaultConfig.pm', 'lib/RBM/CaptureExec.pm'];
  const texts = await Promise.all(files.map((file) => readFile(join(rbmDir, file), 'utf8').catch(() => '')));
  const named = texts.flatMap((text) =>
    [...text.matchAll(/^\s*(?:use|require)\s+([\w:]+)/gm)].map(([, name]) => name),
  );
  return Object.keys(SOMETIMES).filter((name) => named.includes(name));
}

/** The Debian packages of all Perl modules that some version of rbm loads. */
export const PERL_PACKAGES: readonly string[] = [
  ...new Set([...Object.values(MODULES), ...Object.values(SOMETIMES)]),
].sort();
