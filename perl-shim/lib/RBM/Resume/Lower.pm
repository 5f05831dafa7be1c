package RBM::Resume::Lower;

use strict;
use warnings;

use Exporter qw(import);
use YAML::XS ();

our @EXPORT_OK = qw(lower lower_local_container lower_rendered);

# The container options as the levels below us define them.

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

1;
