package RBM::Resume::Script;

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use Encode qw(encode);
use Exporter qw(import);
use File::Basename qw(dirname);
use String::ShellQuote qw(shell_quote);

our @EXPORT_OK = qw(as_template script);

# The shell scripts that rbm gets in place of its own.

my $libexec_dir = dirname(dirname(dirname(dirname(abs_path(__FILE__))))) . '/libexec';

# The string will be rendered as a template once more: it must come out the same.
sub as_template {
    my ($text) = @_;
    $text =~ s/\[%/[% '[%' %]/g;
    return $text;
}

# A shell script that runs one of our programs on the lower script. Most lower
# scripts are for sh and travel as an argument; the hooks take a file. rbm sets
# TMPDIR to its own temporary folder, and gives the script its standard input,
# which only a description replaces.
sub script {
    my ($program, $lower, $input, %environment) = @_;
    my $exports = join('', map { "export $_=" . shell_quote($environment{$_}) . "\n" }
                           sort keys %environment);
    my $path = shell_quote("$libexec_dir/$program");
    my $is_for_hook = $program eq 'remote-start' || $program eq 'remote-finish';
    if (!$is_for_hook && $lower =~ m{^(?:#!/bin/sh\s*\n|[^#])} && length $lower < 60_000) {
        return "#!/bin/sh\n${exports}exec $path /bin/sh -c " . shell_quote($lower) . "\n";
    }
    $lower = "#!/bin/sh\n$lower" unless $lower =~ m/^#/;
    my $end = 'END_' . sha256_hex(encode('UTF-8', $lower . $input));
    my $description = $input eq '' ? '' : " <<'$end'\n$input\n$end";
    return <<SCRIPT;
#!/bin/sh
set -e
${exports}lower=\${TMPDIR:?}/rbm-resume-$program-\$\$
cat > "\$lower" <<'$end'
$lower
$end
chmod 0700 "\$lower"
exec $path "\$lower"$description
SCRIPT
}

1;
