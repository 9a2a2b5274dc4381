# Copyright (C) nginx-ai-route contributors

package AINode;

=head1 NAME

AINode - more nginx nodes with the configuration of a block's nginx

=head1 SYNOPSIS

    use AIRoute;
    use Test::Nginx::Socket 'no_plan';
    use AINode;

    my $port = node_start('two', sub { s/account one/account other/ });
    is(ask(port => $port)->{status}, 200, 'served there, too');
    node_stop('two', 'KILL');

Each has a folder, a port and a log of its own, and its folder's name for an
access log.  They are ended by process id when the file ends.

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Exporter 'import';
use File::Path ();
use Test::More ();

our @EXPORT = qw(node_start node_reload node_stop node_log);

my %node;
my $owner = $$;


sub folder { return AIRoute::tmp_dir() . "/node-$_[0]" }

sub pid { return AIRoute::slurp(folder($_[0]) . '/logs/nginx.pid') =~ /(\d+)/ }


=over

=item node_start(NAME[, CODE]), node_reload(NAME[, CODE])

Starts one, on the port that it had if it had one; reloads it, and waits until
its workers are others.  CODE changes the configuration in $_ before.  Both
return the port.

=cut

sub node_start {
    my ($name, $code) = @_;
    my $n = $node{$name} ||= { port => AIRoute::free_port() };

    File::Path::make_path(folder($name) . "/$_") for qw(conf logs);
    configure($name, $code);
    # a previous one's lines are looked at by then
    unlink folder($name) . '/logs/error.log';
    run($name);
    $n->{up} = 1;
    AIRoute::wait_port($n->{port}) or die "node $name does not listen\n";
    return $n->{port};
}

sub node_reload {
    my ($name, $code) = @_;
    my ($pid) = pid($name);
    my %old = map { $_ => 1 } workers($pid);

    configure($name, $code);
    kill 'HUP', $pid;
    AIRoute::wait_for(8, sub {
        my @now = workers($pid);
        return @now && !grep { $old{$_} } @now;
    }) or die "node $name: no reload\n";
    return $node{$name}{port};
}

sub workers { return split ' ', `ps -o pid= --ppid $_[0]` }

sub configure {
    my ($name, $code) = @_;
    my $root = $ENV{TEST_NGINX_SERVROOT};
    my $port = Test::Nginx::Util::server_port();
    my $dir = folder($name);

    local $_ = AIRoute::slurp("$root/conf/nginx.conf");
    s/\Q$root\E/$dir/g;
    s/^(\s*listen\s+)$port\b/$1$node{$name}{port}/mg
        or die "node $name: no port in its configuration\n";
    $code->() if $code;
    open my $fh, '>', "$dir/conf/nginx.conf" or die "$dir: $!\n";
    print $fh $_;
    close $fh;
}

sub run {
    my $dir = folder($_[0]);
    my $bin = $ENV{TEST_NGINX_BINARY} || 'nginx';

    system("$bin -p $dir/ -c $dir/conf/nginx.conf >>$dir/logs/stderr 2>&1")
        == 0 or die "node $_[0] does not start:\n",
                    AIRoute::slurp("$dir/logs/stderr");
}


=item node_stop(NAME[, SIGNAL])

Ends it, by QUIT if no signal is named, and all its workers with it; what it
has logged must not be an alert.  It is a test.

=cut

sub node_stop {
    my ($name, $signal) = @_;
    my ($pid) = pid($name);
    my @all = ($pid, workers($pid));
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    kill $signal || 'QUIT', ($signal || '') eq 'KILL' ? @all : $pid;
    AIRoute::wait_for(10, sub { !kill 0, $pid })
        or die "node $name does not stop\n";
    unlink folder($name) . '/logs/nginx.pid';
    delete $node{$name}{up};

    my @bad = grep { /\[(?:alert|crit|emerg)\]|Sanitizer|runtime error:/ }
                   split /\n/, node_log($name);
    Test::More::is("@bad", '', "node $name: nothing bad is logged");
}


=item node_log(NAME)

Its error log.

=item AINode::end_all()

Stops those that run.

=back

=cut

sub node_log { return AIRoute::slurp(folder($_[0]) . '/logs/error.log') }

sub end_all { node_stop($_) for grep { $node{$_}{up} } sort keys %node }


END {
    if ($$ == $owner) {
        local $?;

        for (grep { $node{$_}{up} } keys %node) {
            my ($pid) = pid($_);
            kill 'TERM', $pid if $pid;
        }
    }
}

1;
