package RBM::Resume::Plan;

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use RBM::Resume::Description;
use RBM::Resume::Plan::Offline qw(guarded missing_sources stand_in where);
use RBM::Resume::Plan::Speed;

# What a build is made of, as rbm itself goes through it. rbm is started with
# this module loaded in front (PERL5OPT=-MRBM::Resume::Plan) and asked for the
# option `rbm_resume_plan`: `rbm showconf PROJECT rbm_resume_plan --step S
# --target T`. lib/plan reads what it prints.
#
# rbm's own input_files and look-up decide what is built, with which targets and
# options. Replaced are only the places where it would build, download, clone,
# run a command or write.

my $format = 1;
my $json = JSON::PP->new->canonical->ascii;

my $kept_projects;      # projects of which the name is wanted under which their container is kept
my $is_first;           # of the two walks
my (%builds, @order);   # by the path of the output; in an order in which rbm can build them
my (@stack, $next_frame);
our $frame;             # of the call of input_files that is gone through
my %original;

INIT {
    if (defined &RBM::project_config) {
        my $asked = $json->decode(delete $ENV{RBM_RESUME_PLAN} // '{}');
        # Other Perl programs that rbm starts have nothing to do with this.
        foreach my $name (qw(PERL5OPT PERL5LIB PERL_HASH_SEED)) {
            delete $ENV{$name};
            $ENV{$name} = $asked->{env}{$name} if defined $asked->{env}{$name};
        }
        $kept_projects = { map { $_ => 1 } @{$asked->{kept} // []} };
        $RBM::DefaultConfig::default_config{rbm_resume_plan} = \&print_plan;
    }
}

# Prints the plan in place of the option. What rbm says on its way is no part of it.
sub print_plan {
    my ($project) = @_;
    open(my $out, '>&', \*STDOUT) or die "standard output: $!";
    open(STDOUT, '>', '/dev/null') or die "/dev/null: $!";
    # Two walks with other stand-ins: where they differ, nothing is known.
    my $twin = open(my $from_twin, '-|') // die "fork: $!";
    if ($twin == 0) {
        open(my $to_first, '>&', \*STDOUT) or die "standard output: $!";
        open(STDOUT, '>', '/dev/null') or die "/dev/null: $!";
        print $to_first walk($project, 2);
        close $to_first;
        exit 0;
    }
    my $plan = walk($project, 1);
    my $other = RBM::Resume::Plan::Offline::has_stand_in() ? do { local $/; <$from_twin> } : undef;
    kill 'KILL', $twin unless defined $other;
    close $from_twin;
    print $out '{"format":', $format, ',"walk":', $plan, ',"twin":', $other || 'null', "}\n";
    close $out;
    exit 0;
}

sub walk {
    my ($project, $number) = @_;
    $is_first = $number == 1;
    # Made when it is first asked for, which a plan must not do.
    $RBM::DefaultConfig::default_config{rbm_tmp_dir} = '[% c("tmp_dir") %]/rbm-plan';
    my $step = $RBM::config->{step};
    my $target = $RBM::config->{run}{target};
    local $RBM::config->{opt} = {};
    local $RBM::config->{run} = { %{$RBM::config->{run}}, args => [ $project ] };
    no warnings 'redefine';
    no strict 'refs';
    %original = map { $_ => \&{"RBM::$_"} }
                qw(project_step_config input_files input_file_need_dl file_in_dir);
    use strict 'refs';
    RBM::Resume::Plan::Offline::begin($number);
    RBM::Resume::Plan::Speed::begin();
    local *RBM::exit_error = sub { die "$_[0]\n" };
    local *RBM::create_dir = sub { return $_[0] };
    local *RBM::input_files = \&input_files;
    local *RBM::input_file_need_dl = \&input_file_need_dl;
    local *RBM::input_file_id = \&RBM::Resume::Plan::Offline::input_file_id;
    local *RBM::file_in_dir = \&file_in_dir;
    local *RBM::project_step_config = \&project_step_config;
    local *RBM::build_pkg = \&build_pkg;
    local *RBM::execute = \&RBM::Resume::Plan::Offline::execute;
    local *RBM::pp = \&RBM::Resume::Plan::Speed::cache_key;
    local *Template::Provider::_compile = \&RBM::Resume::Plan::Speed::compile_template;
    local *RBM::project_config = \&RBM::Resume::Plan::Speed::project_config;
    local *RBM::urlget = sub { die "nothing is downloaded for a plan\n" };
    local *RBM::run_script = sub { die "nothing is run for a plan\n" };
    # As `rbm build` begins.
    my $options = { pkg_type => $step };
    my ($dir, $name);
    my $trouble = guarded(sub { ($dir, $name) = output_of($project, $options) });
    visit($project, $step, $options, {
        name     => $name,
        dir      => $dir,
        is_built => length($name // '') && -e "$dir/$name",
        troubles => [ $trouble ? "file name: $trouble" : () ],
    });
    return $json->encode({ builds => [ map { $builds{$_} } @order ] });
}

sub option {
    my ($project, $name, $options) = @_;
    return RBM::project_config($project, $name, $options);
}

# One build, as build_run begins it. $output says what its caller looks for.
sub visit {
    my ($project, $step, $options, $output) = @_;
    my $key = join('/', map { $_ // '' } @$output{qw(dir name)});
    push @{$stack[-1]{needs}}, $key if @stack && !grep { $_ eq $key } @{$stack[-1]{needs}};
    if (my $known = $builds{$key}) {
        push @{$stack[-1]{unknown}}, "input file $output->{name}: needs what is built of it"
            if grep { $_ == $known } @stack;
        return;
    }
    my $target = $RBM::config->{run}{target};
    my $build = $builds{$key} = {
        key       => $key,
        project   => $project,
        step      => $step,
        targets   => [ grep { defined && length } ref $target ? @$target : $target ],
        filename  => $output->{name},
        dir       => $output->{dir},
        is_built  => $output->{is_built} ? JSON::PP::true : JSON::PP::false,
        needs     => [],
        unknown   => [ @{$output->{troubles} // []} ],
    };
    local $RBM::config->{origin_step} = $RBM::config->{step};
    local $RBM::config->{step} = $step;
    $options = { %$options, build_id => 'rbm-resume-plan' };
    push @stack, $build;
    my $trouble = guarded(sub {
        push @{$build->{unknown}}, missing_sources($project, $options);
        $build->{kept_name} = kept_name($project, $options) if $kept_projects->{$project};
        $next_frame = { build => $build };
        RBM::input_files('getfpaths', $project, $options);
    });
    push @{$build->{unknown}}, "input files: $trouble" if $trouble;
    pop @stack;
    $build->{is_standalone} = is_standalone($build) ? JSON::PP::true : JSON::PP::false;
    push @order, $key;
}

# Whether rbm makes the same file when it is asked for this build by itself: an
# input file may give its project options that no command line can.
sub is_standalone {
    my ($build) = @_;
    my ($project, $step) = @$build{qw(project step)};
    return 0 unless $is_first;  # of the other walk only names are wanted
    my $key = '';
    local @{$RBM::config}{qw(opt run step origin_step)} =
        ({}, { target => $build->{targets}, args => [ $project ] }, $step, undef);
    guarded(sub { $key = join('/', output_of($project, { pkg_type => $step })) });
    return $key eq $build->{key};
}

sub output_of {
    my ($project, $options) = @_;
    my $dir = RBM::rbm_path(option($project, 'output_dir', $options));
    return ($dir, option($project, 'filename', $options) // '');
}

# The file name that a description of this build has, see RBM::Resume::Description.
sub kept_name {
    my ($project, $options) = @_;
    local $RBM::config->{opt} = { %{$RBM::config->{opt}}, %$options };
    return option($project, 'filename', RBM::Resume::Description::anywhere());
}

# Only the walk's own calls have a frame: what templates ask for in between only wants names.
sub input_files {
    local $frame = $next_frame;
    $next_frame = undef;
    my ($action, $project) = @_;
    return $original{input_files}->(@_) if $frame || $action ne 'input_files_id';
    my $id;
    guarded(sub { $id = $original{input_files}->(@_) }, @_);
    return $id // sha256_hex(stand_in($action, where($project)));
}

# Called for every input file right before rbm asks whether it is to be made.
sub file_in_dir {
    my ($name, @dirs) = @_;
    my @found = $original{file_in_dir}->(@_);
    return @found unless $frame;
    # rbm looks again when it has built something.
    return @found ? @found : "$dirs[1]/$name" if delete $frame->{is_visited};
    @$frame{qw(name dir)} = ($name, $dirs[1]);
    return @found;
}

sub input_file_need_dl {
    my ($input_file, $t, $fname, $action) = @_;
    # An id is asked for, or a template wants to know names.
    return undef if !$frame || $action ne 'getfpaths';
    if ($input_file->{project} && $t->('project')
        && !$t->('content') && !$t->('URL') && !$t->('exec')) {
        $frame->{is_built} = !$original{input_file_need_dl}->($input_file, $t, $fname, 'link');
        return 1;
    }
    my $how = $fname            ? undef
            : $t->('content')   ? undef
            : $t->('URL')       ? 'needs download of ' . $t->('URL')
            : $t->('exec')      ? 'is made by a command'
            :                     'is not there';
    push @{$frame->{build}{unknown}}, "input file $frame->{name}: $how" if defined $how;
    return undef;
}

sub build_pkg {
    my ($project, $options) = @_;
    my $caller = $frame;
    $caller->{is_visited} = 1;
    visit($project, option($project, 'pkg_type', $options), $options,
          { %$caller{qw(name dir is_built)} });
}

# The inputs of inputs are visited, not listed. A name that can't be told must not hide the rest.
sub project_step_config {
    my ($project, $name, $options) = @_;
    return [] if $frame && $name eq 'input_files_paths';
    return $original{project_step_config}->(@_) if $name ne 'filename';
    my $filename;
    my $trouble = guarded(sub { $filename = $original{project_step_config}->(@_) }, @_);
    return $filename if $trouble eq '';
    return join('-', $project, stand_in($name, where($project), $options->{step}));
}

1;
