package RBM::Resume;

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use Encode qw(encode);
use File::Basename qw(basename dirname);
use RBM::Resume::Description;
use String::ShellQuote qw(shell_quote);
use YAML::XS ();

my $shim_dir = dirname(dirname(dirname(abs_path(__FILE__))));
my $libexec_dir = "$shim_dir/libexec";
my $hooks_dir = dirname($shim_dir) . '/hooks';

# The option pairs for a Perl document of rbm.local.conf. They stand in front
# of what rbm.conf, the modules and the defaults define, and hand on to it.
sub options {
    my %container = lower_local_container();
    return (
        container => {
            %container,
            map { my $name = $_; $name => sub { wrap($name, \%container, @_) } }
                qw(remote_start remote_put remote_exec remote_get remote_finish),
        },
    );
}

# rbm merges the documents of a file at the top key only, so our `container`
# would hide the one of an earlier document: take that along.
sub lower_local_container {
    my $file = config_file_being_loaded();
    return () unless defined $file && -f $file;
    my %container;
    foreach my $document (YAML::XS::LoadFile($file)) {
        next unless ref $document eq 'HASH' && ref $document->{container} eq 'HASH';
        %container = %{$document->{container}};
    }
    return %container;
}

# The argument of RBM::load_config_file, the sub that evaluates us.
sub config_file_being_loaded {
    package DB;
    for (my $level = 1; my @frame = caller($level); $level++) {
        return $DB::args[0] if $frame[3] eq 'RBM::load_config_file';
    }
    return undef;
}

# One of rbm's container options: as the lower levels define it where we have
# nothing to do, otherwise a script that runs that under our watch.
sub wrap {
    my ($name, $container, $project, $options) = @_;
    my $script_name = $RBM::config->{opt}{exec_name};
    my $is_call = $name ne 'remote_exec' || defined $script_name;
    return lower($name, $container, $project, $options) unless $is_call && is_tracked($project);
    my %environment = environment($project);
    my $description = '';
    %environment = (%environment, trust($project), remote($project))
        if $name eq 'remote_start' || $name eq 'remote_finish';
    %environment = (%environment, provenance($project)) if $name eq 'remote_finish';
    if ($name eq 'remote_start') {
        my %templates = map { $_ => lower($_, $container, $project, $options) }
                            qw(remote_start remote_put remote_exec);
        $description = RBM::Resume::Description::as_json($project, \%templates)
            if resume_mode($project) ne 'off';
        %environment = (%environment, start_environment($project));
    } elsif ($name eq 'remote_put') {
        return lower($name, $container, $project, $options)
            unless -e "$environment{RBM_RESUME_LIVE}/resumed";
        $environment{RBM_RESUME_PUT_SRC} = option($project, 'put_src');
        $environment{RBM_RESUME_PUT_DST} = option($project, 'put_dst');
        $environment{RBM_RESUME_SCRIPTS} = join(' ', RBM::Resume::Description::script_names());
        $environment{RBM_RESUME_USER} = option($project, 'container/user');
    } elsif ($name eq 'remote_exec') {
        tell_notice($environment{RBM_RESUME_LIVE}) if $script_name eq 'mktemp';
        $environment{RBM_RESUME_SCRIPT} = $script_name;
        if (grep { $script_name eq $_ } RBM::Resume::Description::script_names()) {
            $environment{RBM_RESUME_COMMAND} = option($project, 'exec_cmd');
            $environment{RBM_RESUME_MODE} = resume_mode($project);
            my $lower = lower_rendered($name, $container, $project, $options,
                                       { exec_cmd => '. /rbm/resume/runner' });
            return as_template(script('remote-exec', $lower, '', %environment));
        }
        # rbm empties the temporary folders also when it could not copy the output out of them.
        return 'true' if $script_name eq 'clean' && has_get_failed($environment{RBM_RESUME_LIVE});
        return lower($name, $container, $project, $options)
            unless $script_name eq 'mktemp' || $script_name =~ m/^debug-/;
    }
    (my $program = $name) =~ s/_/-/;
    my $lower = lower_rendered($name, $container, $project, $options,
                               $name eq 'remote_get' ? output_elsewhere() : undef);
    return as_template(script($program, $lower, $description, %environment));
}

# `rbm-resume prove` has the output of the project that rbm was asked for put
# elsewhere. Dependencies, which alone have an origin_project, go where they
# are looked for.
sub output_elsewhere {
    my $dir = $ENV{RBM_RESUME_OUTPUT};
    return undef if !$dir || defined $RBM::config->{opt}{origin_project};
    return { get_dst => $dir };
}

sub resume_mode {
    my ($project) = @_;
    my $set = option($project, 'var/resume');
    my $mode = defined $set ? $set || 'off' : 'statement';
    RBM::exit_error("var/resume of the project $project is '$mode': it can be 'statement', 'rerun' or 'off'")
        unless grep { $mode eq $_ } qw(statement rerun off);
    return $mode;
}

# Under `rbm-resume run` every container is watched, so that a deadline can
# stop it; what is kept is for var/resume to say.
sub is_tracked {
    my ($project) = @_;
    return $ENV{RBM_RESUME_RUN} || resume_mode($project) ne 'off';
}

sub option {
    my ($project, $name, $options) = @_;
    return RBM::project_config($project, $name, $options);
}

# What an option would be without us, before it is rendered.
sub lower {
    my ($name, $container, $project, $options) = @_;
    local $RBM::config->{local} = { %{$RBM::config->{local}}, container => $container };
    my @modules = map { [ 'modules', $_ ] } sort keys %{$RBM::config->{modules}};
    return RBM::config($project, [ 'container', $name ], $options, ['local'], [],
                       @modules, ['system'], ['default']);
}

sub lower_rendered {
    my ($name, $container, $project, $options, $changed) = @_;
    local $RBM::config->{opt} = { %{$RBM::config->{opt}}, $changed ? %$changed : () };
    my $lower = lower($name, $container, $project, $options);
    return RBM::process_template($project, $lower) // '';
}

# The string will be rendered as a template once more: it must come out the same.
sub as_template {
    my ($text) = @_;
    $text =~ s/\[%/[% '[%' %]/g;
    return $text;
}

sub environment {
    my ($project) = @_;
    my $dir = option($project, 'container/dir');
    my $store = RBM::rbm_path($ENV{RBM_RESUME_STORE} || option($project, 'var/resume_store')
                              || 'resume');
    return (
        RBM_RESUME_CONTAINER => $dir,
        RBM_RESUME_STORE     => $store,
        RBM_RESUME_LIVE      => "$store/.rbm-resume/live/" . basename($dir),
        RBM_RESUME_HOOKS     => $hooks_dir,
        RBM_RESUME_RBM_DIR   => $RBM::config->{rbmdir},
        RBM_RESUME_PROJECT   => $project,
    );
}

# Whose snapshots this job may use, and of which class it is. What the
# environment says counts, also where it says nothing.
sub trust {
    my ($project) = @_;
    my $policy = $ENV{RBM_RESUME_POLICY} // option($project, 'var/resume_policy') // '';
    my $class = $ENV{RBM_RESUME_CLASS} // option($project, 'var/resume_class') // '';
    return (
        RBM_RESUME_POLICY => $policy eq '' ? '' : RBM::rbm_path($policy),
        RBM_RESUME_CLASS  => $class,
    );
}

# Where it is to be told how the output came about, and where rbm has put that.
sub provenance {
    my ($project) = @_;
    my $to = $ENV{RBM_RESUME_PROVENANCE} || option($project, 'var/resume_provenance') or return ();
    return () if output_elsewhere();
    my $dir = RBM::rbm_path(option($project, 'output_dir'));
    return (
        RBM_RESUME_PROVENANCE  => RBM::rbm_path($to),
        RBM_RESUME_OUTPUT_FILE => "$dir/" . option($project, 'filename'),
    );
}

# The registry through which snapshots travel.
sub remote {
    my ($project) = @_;
    return (
        RBM_RESUME_REMOTE => $ENV{RBM_RESUME_REMOTE} // option($project, 'var/resume_remote') // '',
    );
}

sub start_environment {
    my ($project) = @_;
    return (
        RBM_RESUME_MODE        => resume_mode($project),
        RBM_RESUME_OWNER       => $$,
        RBM_RESUME_WORKSPACE   => $RBM::config->{basedir},
        RBM_RESUME_INPUTS      => option($project, 'remote_srcdir'),
        RBM_RESUME_KEEP_FAILED => option($project, 'var/resume_keep_failed') ? 1 : 0,
    );
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

sub has_get_failed {
    my ($live) = @_;
    open(my $fh, '<', "$live/scripts") or return 0;
    return scalar grep { m/^get [^0]/ } <$fh>;
}

# What remote_start had to say is swallowed by rbm, which captures its output.
sub tell_notice {
    my ($live) = @_;
    open(my $fh, '<', "$live/notice") or return;
    print STDERR <$fh>;
    close $fh;
}

1;
