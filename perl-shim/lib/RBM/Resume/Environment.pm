package RBM::Resume::Environment;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(basename dirname);

our @EXPORT_OK = qw(environment option output_elsewhere resume_mode);

# What the workspace and the caller's environment say of keeping and resuming.

my $hooks_dir = dirname(dirname(dirname(dirname(dirname(abs_path(__FILE__)))))) . '/hooks';

sub option {
    my ($project, $name, $options) = @_;
    return RBM::project_config($project, $name, $options);
}

sub resume_mode {
    my ($project) = @_;
    my $set = option($project, 'var/resume');
    my $mode = defined $set ? $set || 'off' : 'statement';
    RBM::exit_error("var/resume of the project $project is '$mode': it can be 'statement', 'rerun' or 'off'")
        unless grep { $mode eq $_ } qw(statement rerun off);
    return $mode;
}

# `rbm-resume prove` has the output of the project that rbm was asked for put
# elsewhere. Dependencies, which alone have an origin_project, go where they
# are looked for.
sub output_elsewhere {
    my $dir = $ENV{RBM_RESUME_OUTPUT};
    return undef if !$dir || defined $RBM::config->{opt}{origin_project};
    return { get_dst => $dir };
}

# What our program in place of this container option is told.
sub environment {
    my ($project, $name) = @_;
    my $is_start = $name eq 'remote_start';
    my $is_finish = $name eq 'remote_finish';
    return (
        container($project),
        $is_start || $is_finish ? (trust($project), remote($project)) : (),
        $is_start ? start($project) : (),
        $is_finish ? provenance($project) : (),
    );
}

sub container {
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

sub start {
    my ($project) = @_;
    return (
        RBM_RESUME_MODE        => resume_mode($project),
        RBM_RESUME_OWNER       => $$,
        RBM_RESUME_WORKSPACE   => $RBM::config->{basedir},
        RBM_RESUME_INPUTS      => option($project, 'remote_srcdir'),
        RBM_RESUME_KEEP_FAILED => option($project, 'var/resume_keep_failed') ? 1 : 0,
    );
}

1;
