#!/usr/bin/perl
# Prints the description of a build as the shim gives it to container-create, without building anything.
# Usage: describe.pl RBM_DIR PROJECT [TARGET...], in a workspace.
use strict;
use warnings;
use File::Basename qw(dirname);
use Cwd qw(abs_path);

my ($rbm_dir, $project, @targets);

BEGIN {
    ($rbm_dir, $project, @targets) = @ARGV;
    unshift @INC, "$rbm_dir/lib", dirname(abs_path($0)) . '/../../perl-shim/lib';
}

use RBM;
use RBM::Resume;
use RBM::Resume::Description;

RBM::load_config();
RBM::set_default_env() if defined &RBM::set_default_env;
$RBM::config->{rbmdir} = $rbm_dir;
$RBM::config->{run}{target} = [@targets] if @targets;
RBM::load_system_config($project) if defined &RBM::load_system_config;
RBM::load_local_config($project);
RBM::load_modules_config($project) if defined &RBM::load_modules_config;
my $step = RBM::project_config($project, 'pkg_type', { pkg_type => 'build' });
$RBM::config->{step} = $step;
my $id = $ENV{DESCRIBE_BUILD_ID} || "describe-$$";
my $options = { pkg_type => $step, build_id => $id, remote_srcdir => "/tmp/srcdir-$$" };
local $RBM::config->{opt} = { %{$RBM::config->{opt}}, %$options };
my @modules = map { [ 'modules', $_ ] } sort keys %{$RBM::config->{modules}};
my %templates = map {
    $_ => RBM::config($project, [ 'container', $_ ], $options, [], @modules, ['system'], ['default'])
} qw(remote_start remote_put remote_exec);
print RBM::Resume::Description::as_json($project, \%templates), "\n";
