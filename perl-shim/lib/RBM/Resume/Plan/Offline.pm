package RBM::Resume::Plan::Offline;

use strict;
use warnings;

use Cwd qw(getcwd);
use Digest::SHA qw(sha256_hex);
use Encode qw(encode);
use Exporter qw(import);

our @EXPORT_OK = qw(guarded missing_sources stand_in where);

# What a plan says where rbm would clone, download or run a command.

my $seed;               # of the stand-ins for what can't be had, see stand_in
my $has_stand_in;
my %original;

# Before a walk; each has a number of its own.
sub begin {
    ($seed) = @_;
    %original = (input_file_id => \&RBM::input_file_id);
}

# Whether anything could not be had.
sub has_stand_in { return $has_stand_in }

# In place of what can't be had: the same for the same thing, another one in the
# other walk. A commit, a time or a version may be expected: ten digits are all of them.
sub stand_in {
    my (@what) = @_;
    $has_stand_in = 1;
    return 1_000_000_000 + hex(substr(sha256_hex(encode('UTF-8', join("\0", $seed, @what))), 0, 7));
}

# What rbm's look-up depends on, besides the options at run time.
sub where {
    my ($project) = @_;
    my $target = $RBM::config->{run}{target};
    return ($project, $RBM::config->{step}, ref $target ? @$target : $target // ());
}

# Runs code that may end by RBM::exit_error. What went wrong as one line, or nothing.
sub guarded {
    my ($code, @args) = @_;
    my %saved = map { $_ => $RBM::config->{$_} } qw(opt run step origin_step);
    my $old_cwd = getcwd;
    return '' if eval { $code->(@args); 1 };
    my $trouble = $@;
    $RBM::config->{$_} = $saved{$_} foreach keys %saved;
    chdir $old_cwd;
    $trouble =~ s/\s+/ /g;
    $trouble =~ s/ at \S+ line \d+\.?(?: |\z)/ /g;
    $trouble =~ s/\b1\d{9}\b/?/g;
    $trouble =~ s/\A(?:(?:Template Error: )?undef error - )*|\A\s+|\s+\z//g;
    return $trouble || 'unknown error';
}

sub option {
    my ($project, $name, $options) = @_;
    return RBM::project_config($project, $name, $options);
}

# What a build lacks of its own sources, in a line; nothing when it is there.
sub missing_sources {
    my ($project, $options) = @_;
    foreach my $kind (qw(git hg)) {
        my $url = option($project, "${kind}_url", $options) or next;
        return -d clone_dir($kind, $project, $options) ? () : "sources: need $kind clone of $url";
    }
    return ();
}

sub clone_dir {
    my ($kind, $project, $options) = @_;
    return RBM::rbm_path(option($project, "${kind}_clone_dir", $options) // "${kind}_clones") . "/$project";
}

# The part of a name that an input file has, without making the file.
sub input_file_id {
    my ($input_file, $t, $fname, $filename) = @_;
    my $is_told = $input_file->{input_file_id} || $input_file->{project} || $input_file->{exec}
        || grep { ($input_file->{$_} || $input_file->{norec}{$_}) && $t->($_) } qw(sha512sum sha256sum);
    return $original{input_file_id}->(@_) if $is_told;
    if (!$fname || $t->('refresh_input')) {
        return "$filename:" . sha256_hex(encode('UTF-8', $t->('content'))) if $t->('content');
        return "$filename:" . stand_in($filename, $t->('URL') // '');
    }
    return $original{input_file_id}->(@_);
}

# A command of a template. Read is only what a clone has, as it is.
sub execute {
    my ($project, $cmd, $options) = @_;
    my $kind = option($project, 'git_url', $options) ? 'git' : option($project, 'hg_url', $options) ? 'hg' : '';
    my $revision = $kind ? option($project, "${kind}_hash", $options) : '';
    RBM::exit_error("No ${kind}_hash specified for project $project") if $kind && !$revision;
    my $said = $kind eq 'git' ? read_clone($project, $cmd, $options) : undef;
    return $said // stand_in($project, $kind, $revision, $cmd);
}

# What a git command says in the clone; nothing where rbm would change the clone first.
sub read_clone {
    my ($project, $cmd, $options) = @_;
    my $dir = clone_dir('git', $project, $options);
    return undef if !(ref $options eq 'HASH' && $options->{exec_noco}) || !-d $dir || $cmd !~ m/^git /
                    || option($project, 'git_submodule', $options) || !defined &RBM::git_need_fetch;
    my $old_cwd = getcwd;
    chdir $dir or return undef;
    my $said;
    if (!RBM::git_need_fetch($project, $options)) {
        my ($stdout, undef, $success) = RBM::capture_exec($cmd);
        chomp $stdout;
        $said = $stdout if $success;
    }
    chdir $old_cwd;
    return $said;
}

1;
