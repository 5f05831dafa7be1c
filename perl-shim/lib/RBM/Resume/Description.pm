package RBM::Resume::Description;

use strict;
use warnings;

use Cwd qw(getcwd);
use Digest::SHA qw(sha256_hex);
use Encode qw(encode);
use JSON::PP;
use POSIX qw(uname);
use String::ShellQuote qw(shell_quote);

# What rbm is about to build, as far as it decides the output, and the same
# wherever the same build is described. It says what rbm would do;
# lib/project-hash.ts makes the key of it.

my $output_dir = '/rbm-resume/output';
my $rbm_input_file_id;

sub option {
    my ($project, $name, $options) = @_;
    return RBM::project_config($project, $name, $options);
}

sub script_names {
    return ('pre', $RBM::config->{step}, 'post');
}

# The description, or {"trouble": "..."}. rbm ends the whole build when it can't
# tell something; a build that would work without us must not end here.
sub as_json {
    my ($project, $templates) = @_;
    my %saved = map { $_ => $RBM::config->{$_} } qw(opt run step origin_step);
    my $old_cwd = getcwd;
    no warnings 'redefine';
    local *RBM::exit_error = sub { die "$_[0]\n" };
    # Nothing is downloaded or made anew for a description.
    local *RBM::input_file_need_dl = sub { return undef };
    my $description = eval { describe($project, $templates) };
    my $trouble = $@;
    $RBM::config->{$_} = $saved{$_} foreach keys %saved;
    chdir $old_cwd;
    $description //= { trouble => "rbm cannot describe the build: $trouble" };
    return JSON::PP->new->canonical->ascii->encode($description);
}

sub describe {
    my ($project, $templates) = @_;
    my $step = $RBM::config->{step};
    my $run_target = $RBM::config->{run}{target};
    my ($images, $inputs) = input_ids($project);
    return {
        format          => 1,
        project         => $project,
        step            => $step,
        targets         => ref $run_target ? $run_target : [ $run_target // () ],
        version         => version($project),
        filename        => option($project, 'filename', anywhere()),
        architecture    => option($project, 'arch') // (uname)[4],
        source          => source_commit($project),
        container_image => $images,
        input_files     => [ @$inputs, copied_file_ids($project) ],
        scripts         => rendered_scripts($project),
        container       => {
            user          => option($project, 'container/user'),
            offline       => [ grep { option($project, "container/disable_network/$_") } script_names() ],
            templates     => { map { $_ => sha256_hex(encode('UTF-8', $templates->{$_} // '')) }
                                   keys %$templates },
            remote_mktemp => option($project, 'remote_mktemp'),
        },
    };
}

# Options under which a thing is rendered the same on any machine and in any
# folder. A build id in a file name is made of the rendered script, with the
# output folder as an absolute path, and of input_files_id, with the bytes of
# the container image. Not with getting_id: under it workspaces leave out lines
# that do run (Tor Browser's `set -euo pipefail`).
sub anywhere {
    return {
        num_procs      => 4,
        buildconf      => { num_procs => 4 },
        output_dir     => $output_dir,
        norec          => { output_dir => $output_dir },
        input_files_id => \&input_files_id,
    };
}

# The default of `version` is a template that ends rbm.
sub version {
    my ($project) = @_;
    my $version = option($project, 'version', { no_tmpl => 1 });
    my $default = $RBM::config->{default}{version};
    return undef if ($version // '') eq ($default // '');
    return option($project, 'version');
}

# The scripts as the container gets them.
sub rendered_scripts {
    my ($project) = @_;
    my %here = (
        $RBM::config->{basedir}         => '/rbm-resume/workspace',
        option($project, 'rbm_tmp_dir') => '/rbm-resume/tmp',
    );
    my %scripts;
    foreach my $name (script_names()) {
        my $text = option($project, $name, anywhere());
        next unless $text;
        foreach my $path (sort { length $b <=> length $a } keys %here) {
            $text =~ s{(?<![\w./-])\Q$path\E(?![\w.-])}{$here{$path}}g;
        }
        $scripts{$name} = $text;
    }
    return \%scripts;
}

# The names of the container images, and the id of each other input file as rbm
# takes it for input_files_id: of an image the bytes differ each time that it is
# rebuilt, and what is kept brings its own.
sub input_ids {
    my ($project) = @_;
    my (@images, @inputs);
    my $is_called = 0;
    # A dependency's own inputs are asked for inside this call, so it may be ours by then.
    my $input_file_id = $rbm_input_file_id //= \&RBM::input_file_id;
    no warnings 'redefine';
    local *RBM::input_file_id = sub {
        my ($input_file, $get, undef, $filename) = @_;
        $is_called = 1;
        local $RBM::config->{opt} = { %{$RBM::config->{opt}}, %{anywhere()} };
        my $name = $filename;
        if ($input_file->{project} && !$input_file->{filename}) {
            $name = RBM::project_step_config($get->('project'), 'filename', {
                    origin_project => $project, %$input_file, %{anywhere()},
                    step => $get->('pkg_type'),
                });
        }
        if ($filename =~ m/^container-image_/) {
            push @images, $name;
        } elsif ($input_file->{project} && !$input_file->{input_file_id}) {
            push @inputs, $get->('project') . ":$name";
        } else {
            push @inputs, $input_file_id->(@_);
        }
        return '';
    };
    # Here the files themselves are looked for, so the real folders count.
    my %opt = (%{$RBM::config->{opt}}, %{anywhere()});
    delete @opt{qw(output_dir norec)};
    local $RBM::config->{opt} = \%opt;
    my $all = RBM::input_files('input_files_id', $project, {});
    push @inputs, $all if !$is_called && option($project, 'input_files');
    return (\@images, \@inputs);
}

sub input_files_id {
    my ($project) = @_;
    my ($images, $inputs) = input_ids($project);
    return sha256_hex(encode('UTF-8', join("\n", @$images, @$inputs)));
}

sub copied_file_ids {
    my ($project) = @_;
    my $files = option($project, 'copy_files') or return ();
    my $dir = RBM::rbm_path(option($project, 'projects_dir')) . "/$project";
    return map { "$_:" . RBM::shafile('sha256sum', "$dir/$_") } @$files;
}

# A tag or branch moves; the commit that it leads to decides.
sub source_commit {
    my ($project) = @_;
    my $git = option($project, 'git_url');
    my $hg = $git ? undef : option($project, 'hg_url');
    return undef unless $git || $hg;
    my $revision = shell_quote(option($project, $git ? 'git_hash' : 'hg_hash') // '');
    my $command = $git ? "git rev-parse --verify $revision^{commit}"
                       : option($project, 'hg') . " id --debug -i -r $revision";
    my $commit = RBM::execute($project, $command, { exec_noco => 1 }) // '';
    chomp $commit;
    die "'$command' names no commit of $project\n" unless $commit =~ m/^[0-9a-f]{7,}/;
    return ($git ? 'git:' : 'hg:') . $commit;
}

1;
