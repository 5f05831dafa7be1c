package RBM::Resume;

use strict;
use warnings;

use RBM::Resume::Description;
use RBM::Resume::Environment qw(environment option output_elsewhere resume_mode);
use RBM::Resume::Lower qw(lower lower_local_container lower_rendered);
use RBM::Resume::Script qw(as_template script);

# The option pairs for a Perl document of rbm.local.conf. They stand in front
# of what rbm.conf, the modules and the defaults define, and hand on to it.
sub options {
    tell_run();
    my %container = lower_local_container();
    return (
        container => {
            %container,
            map { my $name = $_; $name => sub { wrap($name, \%container, @_) } }
                qw(remote_start remote_put remote_exec remote_get remote_finish),
        },
    );
}

# One of rbm's container options: as the lower levels define it where we have
# nothing to do, otherwise a script that runs that under our watch.
sub wrap {
    my ($name, $container, $project, $options) = @_;
    my $script_name = $RBM::config->{opt}{exec_name};
    my $is_call = $name ne 'remote_exec' || defined $script_name;
    return lower($name, $container, $project, $options) unless $is_call && is_tracked($project);
    my %environment = environment($project, $name);
    my $description = '';
    if ($name eq 'remote_start') {
        my %templates = map { $_ => lower($_, $container, $project, $options) }
                            qw(remote_start remote_put remote_exec);
        $description = RBM::Resume::Description::as_json($project, \%templates)
            if resume_mode($project) ne 'off';
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

# Under `rbm-resume run` every container is watched, so that a deadline can
# stop it; what is kept is for var/resume to say.
sub is_tracked {
    my ($project) = @_;
    return $ENV{RBM_RESUME_RUN} || resume_mode($project) ne 'off';
}

sub has_get_failed {
    my ($live) = @_;
    open(my $fh, '<', "$live/scripts") or return 0;
    return scalar grep { m/^get [^0]/ } <$fh>;
}

# `rbm-resume run` warns when no rbm below it has come here.
sub tell_run {
    my $run = $ENV{RBM_RESUME_RUN} or return;
    open(my $fh, '>', "$run/loaded") or return;
    close $fh;
}

# What remote_start had to say is swallowed by rbm, which captures its output.
# Its folder is missing only where the store can't be written.
sub tell_notice {
    my ($live) = @_;
    print STDERR "rbm-resume: $live could not be made, so this build can't be interrupted or kept; ",
        "`rbm-resume doctor` looks at the store\n" unless -d $live;
    open(my $fh, '<', "$live/notice") or return;
    print STDERR <$fh>;
    close $fh;
}

1;
