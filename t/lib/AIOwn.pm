# Copyright (C) nginx-ai-route contributors

package AIOwn;

=head1 NAME

AIOwn - answers whose bytes a test writes itself, and what is recorded of them

=head1 SYNOPSIS

    use AIRoute;
    use AICheck;
    use AIOwn;                  # an account at $TEST_NGINX_OWN serves "own"

    own(sub { pieces($_[0], sse($events), 7) });
    my $r = ask_own(path => '/v1/messages', more => '"stream":true,');
    my ($rec) = records($r, 1);

=head2 Functions

=cut

use strict;
use warnings;

use AIClient ();
use AIRoute ();
use AIServer ();
use Exporter 'import';
use JSON::PP ();
use Time::HiRes qw(sleep);

our @EXPORT = qw(own last_request http sse pieces open_own ask_own records
                 @TOKENS);

# the fields of tokens in a record
our @TOKENS = qw(input_tokens output_tokens cache_read_tokens
                 cache_write_tokens reasoning_tokens);

$ENV{TEST_NGINX_OWN} ||= AIRoute::free_port();


=over

=item own(CODE)

From now on CODE is what own_server() of L<AIServer> does at $TEST_NGINX_OWN.

=cut

sub own {
    my $code = shift;

    AIServer::end_all();

    # the ends of its processes may still hold the port
    AIRoute::wait_for(3, sub {
        eval {
            AIServer::own_server('OWN', sub {
                open my $fh, '>', AIRoute::tmp_dir() . '/own';
                print $fh $_[1];
                close $fh;
                $code->(@_);
            });
            1;
        }
    }) or die "no own server: $@";
}


=item last_request()

The last one that it got.

=item http(TYPE, BODY), sse(BODY)

Whole answers, of a known length and up to the end of the connection.

=cut

sub last_request { return AIRoute::slurp(AIRoute::tmp_dir() . '/own') }

sub http {
    my ($type, $body) = @_;

    return "HTTP/1.1 200 OK\r\nContent-Type: $type\r\nConnection: close\r\n"
         . 'Content-Length: ' . length($body) . "\r\n\r\n" . $body;
}

sub sse {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
         . "Connection: close\r\n\r\n" . shift;
}


=item pieces(SOCKET, TEXT, SIZE...)

Writes it in pieces of these sizes, again and again.

=cut

sub pieces {
    my ($c, $text, @sizes) = @_;
    my $i = 0;

    while (length $text) {
        syswrite $c, substr $text, 0, $sizes[$i++ % @sizes], '' or return;
        sleep 0.0005;
    }
}


=item open_own(NAME => VALUE...), ask_own(NAME => VALUE...)

open_request() and ask() of L<AIClient> for the model "own"; "size" is the
length of the request's body.

=cut

sub open_own {
    my %o = (model => 'own', more => '', @_);
    my $body = qq({"model":"$o{model}",$o{more}"messages":[]});

    return AIClient::open_request(%o, body => $body, size => length $body);
}

sub ask_own { return AIClient::answer(open_own(@_)) }


=item records(REQUEST, COUNT)

All its records in $TEST_NGINX_TMP/usage.jsonl, waited for.

=back

=cut

sub records {
    my ($r, $count) = @_;
    my $path = AIRoute::tmp_dir() . '/usage.jsonl';
    my @rec;

    AIRoute::wait_for(5, sub {
        @rec = grep { $_->{request_id} eq $r->{id} }
               map { JSON::PP::decode_json($_) }
               split /\n/, AIRoute::slurp_lines($path);
        return @rec >= $count;
    });
    return @rec;
}

1;
