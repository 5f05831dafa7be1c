#!/usr/bin/perl
# The shim on the stand-in's option look-up; RBM_LIB=/path/to/rbm/lib runs it on real rbm's.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp;
use Test::More;

my ($here, $rbm_lib, $file);

BEGIN {
    $here = dirname(abs_path(__FILE__));
    $rbm_lib = $ENV{RBM_LIB} || "$here/../../fixtures/rbm/lib";
    unshift @INC, $rbm_lib, "$here/../lib";
}

use RBM;
use RBM::Resume;

my $workspace = File::Temp->newdir;

sub write_file {
    my ($name, $text) = @_;
    my $path = "$workspace/$name";
    system('mkdir', '-p', dirname($path)) == 0 or die;
    open(my $fh, '>', $path) or die "$path: $!";
    print $fh $text;
    close $fh;
}

my $shim = <<"SHIM";
--- |
  use lib '$here/../lib';
  use RBM::Resume;
  RBM::Resume::options();
SHIM

# rbm remembers what was asked for, so each question below is asked with options of its own.
my $question = 0;
sub ask {
    my ($project, $option, %options) = @_;
    return RBM::project_config($project, $option, { nth => ++$question, build_id => 'b', %options });
}

sub load {
    my (%files) = @_;
    write_file($_, $files{$_}) foreach keys %files;
    chdir $workspace or die;
    RBM::load_config("$workspace/rbm.conf");
    $RBM::config->{step} = 'build';
    RBM::load_local_config();
    $RBM::config->{modules} //= {};
    $RBM::config->{system} //= {};
}

load(
    'rbm.conf' => "tmp_dir: '[% c(\"basedir\") %]/tmp'\ncontainer:\n  use_container: 1\n",
    'rbm.local.conf' => "container:\n  user: somebody\n  remote_put: '#!/bin/sh own [% c(\"put_src\") %]'\n$shim",
    'projects/on/config' => "version: 1\nfilename: on\nvar:\n  resume: rerun\n",
    'projects/on/build' => "echo '[% c(\"version\") %]'\n",
    'projects/source/config' => "version: 1\nfilename: source\ngit_url: /nowhere\ngit_hash: tag\nvar:\n  resume: rerun\n",
    'projects/source/build' => "true\n",
    'projects/off/config' => "version: 1\nfilename: off\nvar:\n  resume: off\n",
    'projects/unset/config' => "version: 1\nfilename: unset\n",
    'projects/unset/build' => "true\n",
    'projects/wrong/config' => "version: 1\nfilename: wrong\nvar:\n  resume: maybe\n",
);

is(ask('on', 'container/user'), 'somebody', 'other container options of rbm.local.conf are kept');

foreach my $name (qw(remote_start remote_finish)) {
    my $without = do {
        local $RBM::config->{local} = { container => { user => 'somebody' } };
        ask('off', "container/$name", remote_srcdir => '/src', nothing => 1);
    };
    is(ask('off', "container/$name", remote_srcdir => '/src'), $without, "$name of a project that is off is rbm's own");
}

my %exec = (exec_name => 'build', exec_cmd => 'cd /x; ./build', exec_as_root => 0);
my $truth = ask('on', 'container/remote_exec');
unlike($truth, qr/rbm-resume/, 'remote_exec that is asked for without a script is rbm\'s own');
my $wrapped = ask('on', 'container/remote_exec', %exec);
like($wrapped, qr{^#!/bin/sh\n}, 'a wrapped option is a script');
like($wrapped, qr{libexec/remote-exec /bin/sh -c '}, 'it runs our program on the lower script');
like($wrapped, qr{\Q. /rbm/resume/runner\E}, 'the command is the runner');
like($wrapped, qr{RBM_RESUME_COMMAND='cd /x; \./build'}, 'the command of rbm travels beside it');
unlike(ask('on', 'container/remote_exec', %exec, exec_name => 'put'), qr/libexec/, 'other commands are left alone');

like(ask('on', 'container/remote_put', put_src => '/a b', put_dst => '/c'), qr{own /a b},
     'an option that rbm.local.conf has defined itself is handed on to');

{
    my %get = (get_src => '/inside', get_dst => '/workspace/out');
    my $is_got_at = sub { ask('on', 'container/remote_get', %get, @_) =~ m{/inside \s ([^\s']+)}x; return $1 };
    is($is_got_at->(), '/workspace/out', 'an output goes where rbm says');
    local $ENV{RBM_RESUME_OUTPUT} = '/else/where';
    is($is_got_at->(), '/else/where', 'RBM_RESUME_OUTPUT sends the output elsewhere');
    is($is_got_at->(origin_project => 'other'), '/workspace/out', 'but not that of a dependency');
    local $ENV{RBM_RESUME_STORE} = '/other/store';
    like(ask('on', 'container/remote_get', %get), qr{^export RBM_RESUME_STORE=/other/store$}m,
         'RBM_RESUME_STORE names the store');
}

{
    my $told = sub { ask('on', 'container/remote_finish', remote_srcdir => '/src') =~ m{^export RBM_RESUME_PROVENANCE=(.*)$}m; return $1 };
    is($told->(), undef, 'nobody is told how the output came about unless somebody asks');
    local $ENV{RBM_RESUME_PROVENANCE} = '/told/';
    is($told->(), '/told/', 'RBM_RESUME_PROVENANCE asks for it');
}

my $start = ask('on', 'container/remote_start', remote_srcdir => '/src');
like($start, qr/"project":"on"/, 'the description travels on standard input');
my @ends = $start =~ m/<<'(END_[0-9a-f]{64})'/g;
is(scalar @ends, 2, 'both texts stand in here-documents');

{
    no warnings 'redefine';
    my $answer;
    local *RBM::execute = sub { return $answer };
    my $start_source = sub {
        $answer = $_[0];
        return ask('source', 'container/remote_start', remote_srcdir => '/src');
    };
    my $commit = 'c0ffee' x 6;
    like($start_source->($commit), qr/"source":"git:$commit"/, 'the commit that a tag leads to decides, not its name');
    like($start_source->(''), qr/"trouble":".*names no commit of source/, 'without a commit there is no description');
}
{
    no warnings 'redefine', 'once';
    local *RBM::shafile = sub { return 'the-digest-of-' . $_[1] };
    load('projects/copied/config' => "version: 1\nfilename: copied\ncopy_files:\n  - extra\nvar:\n  resume: rerun\n",
         'projects/copied/build' => "true\n");
    like(ask('copied', 'container/remote_start', remote_srcdir => '/src'),
         qr{"extra:the-digest-of-\S+/projects/copied/extra"}, 'the content of a copied file decides');
}
is_deeply([do {
    no warnings 'redefine';
    local *RBM::input_files = sub { return 'all-of-them' };
    local $RBM::config->{projects}{on}{input_files} = [ { filename => 'x' } ];
    RBM::Resume::Description::input_ids('on');
}], [[], ['all-of-them']], 'an rbm that takes the inputs\' ids another way gives the id of all of them');

is(RBM::process_template('on', RBM::Resume::as_template("a [% b %] [%- c -%]\n")), "a [% b %] [%- c -%]\n",
   'what was rendered once comes out of the second rendering as it was');

my $died = fork() // die;
if (!$died) {
    open STDERR, '>', "$workspace/stderr";
    ask('wrong', 'container/remote_finish');
    exit 0;
}
waitpid $died, 0;
is($? >> 8, 1, 'an unknown value of var/resume ends rbm');
open(my $fh, '<', "$workspace/stderr") or die;
like(join('', <$fh>), qr/var\/resume of the project wrong is 'maybe'/, 'and says which');

chdir '/';
done_testing;
