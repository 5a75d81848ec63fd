#!/usr/bin/perl
# Makes test/vectors/hashes.tsv with the real programs: doveadm pw, PHP's password_hash, crypt(3). Salts are random.
#
#   perl test/vectors/make.pl >test/vectors/hashes.tsv      needs dovecot, php-cli and libxcrypt (any current Linux)
#
# Lines: SOURCE<TAB>{SCHEME}hash<TAB>PATTERN LENGTH. A password is the first LENGTH bytes of a pattern; the patterns
# stand at the beginning of the file, in hexadecimal.
use strict;
use warnings;

my %pattern = (
    ascii => substr(join('', map { chr } 0x21 .. 0x7e) x 2, 0, 160),
    # Cut at any byte, so that many of its prefixes are not UTF-8.
    utf8 => substr("P\xc3\xa4ssw\xc3\xb6rt \xe2\x82\xac \xf0\x9f\x94\x91 \xd0\xbf\xd0\xb0\xd1\x80" x 8, 0, 160),
    # Bytes over 127 first, 0xff among the earliest; no NUL, no line end.
    bytes => substr(join('', map { chr(255 - ($_ * 37) % 242) } 0 .. 159), 0, 160),
);
my @patterns = sort keys %pattern;
print "# $_ ", unpack('H*', $pattern{$_}), "\n" for @patterns;

sub row {
    my ($source, $hash, $pattern, $length) = @_;
    print "$source\t$hash\t$pattern $length\n";
}

sub output {
    open(my $from, '-|', @_) or die "$_[0]: $!";
    local $/;
    my $text = <$from> // '';
    close($from) or die "@_ failed";
    # doveadm ends with two line ends.
    $text =~ s/\n+\z//;
    return $text;
}

my @alphabet = ('.', '/', '0' .. '9', 'A' .. 'Z', 'a' .. 'z');
sub salt { return join('', map { $alphabet[rand 64] } 1 .. $_[0]) }

# crypt(3): every length for every kind, patterns in turn; rounds as low as they go.
for my $length (0 .. 160) {
    my %setting = (
        '2y' => '$2y$04$' . salt(21) . 'u',
        '2b' => '$2b$04$' . salt(21) . 'e',
        '2x' => '$2x$04$' . salt(21) . 'O',
        '2a' => '$2a$04$' . salt(21) . '.',
        '5' => '$5$rounds=1000$' . salt($length % 17) . '$',
        '6' => '$6$rounds=1000$' . salt($length % 17) . '$',
        '1' => '$1$' . salt($length % 9) . '$',
        'des' => salt(2),
    );
    my $turn = $length;
    for my $kind (sort keys %setting) {
        next if $kind =~ /^2[ab]|^des/ && $length > 80;
        my $pattern = $patterns[$turn++ % 3];
        # crypt_blowfish spoils some passwords under $2a$ on purpose; see src/password/bcrypt.ts.
        $pattern = 'ascii' if $kind eq '2a';
        my $hash = crypt(substr($pattern{$pattern}, 0, $length), $setting{$kind});
        die "crypt(3) refuses $kind" if !defined $hash || $hash =~ /^\*/;
        row('crypt', "{CRYPT}$hash", $pattern, $length);
    }
}

# doveadm pw: lengths around the blocks of the digests.
my @lengths = (0, 1, 8, 54, 55, 56, 63, 64, 65, 72, 73, 111, 112, 113, 119, 127, 128, 129, 160);
my %options = (
    'BLF-CRYPT' => ['-r', 4], 'SHA256-CRYPT' => ['-r', 1000], 'SHA512-CRYPT' => ['-r', 1000],
    'PBKDF2' => ['-r', 10], 'ARGON2I' => ['-r', 3], 'ARGON2ID' => ['-r', 3],
);
sub doveadm {
    my ($scheme, $pattern, $length) = @_;
    my ($bare) = $scheme =~ /^([^.]+)/;
    my $hash = output('doveadm', 'pw', '-s', $scheme, @{ $options{$bare} // [] }, '-p', substr($pattern{$pattern}, 0, $length));
    row('doveadm', $hash, $pattern, $length);
}
my @digests = qw(SHA SHA1 SHA256 SHA512 SSHA SSHA256 SSHA512 SMD5 LDAP-MD5 PLAIN-MD5 PLAIN-MD4 PBKDF2);
for my $scheme (@digests) {
    doveadm($scheme, $patterns[$_ % 3], $lengths[$_]) for 0 .. $#lengths;
}
for my $scheme (qw(BLF-CRYPT SHA256-CRYPT SHA512-CRYPT CRYPT MD5-CRYPT MD5 DES-CRYPT PLAIN CLEAR CLEARTEXT)) {
    doveadm($scheme, 'ascii', $_) for 1, 17, 160;
}
for my $scheme (map { ("$_.HEX", "$_.b64") } @digests, qw(BLF-CRYPT MD5-CRYPT SHA512-CRYPT PLAIN ARGON2I)) {
    doveadm($scheme, 'bytes', 33);
}
for my $scheme (qw(ARGON2I ARGON2ID)) { doveadm($scheme, $_, 21) for @patterns }

# PHP: every length with argon2, whose costs can be low, and bcrypt around its 72 bytes.
my $php = <<'PHP';
[$p, $algorithm, $options] = [hex2bin($argv[1]), constant($argv[2]), json_decode($argv[3], true)];
echo password_hash($p, $algorithm, $options);
PHP
sub php {
    my ($scheme, $constant, $options, $pattern, $length) = @_;
    my $hash = output('php', '-r', $php, '--', unpack('H*', substr($pattern{$pattern}, 0, $length)), $constant, $options);
    row('php', "{$scheme}$hash", $pattern, $length);
}
for my $length (0 .. 160) {
    my ($lanes, $passes) = (1 + $length % 3, 1 + $length % 2);
    my $name = $length % 2 ? 'ARGON2I' : 'ARGON2ID';
    my $options = qq({"memory_cost":64,"time_cost":$passes,"threads":$lanes});
    php($name, "PASSWORD_$name", $options, $patterns[$length % 3], $length);
}
php('BLF-CRYPT', 'PASSWORD_BCRYPT', '{"cost":4}', $patterns[$_ % 3], $_) for 1, 8, 33, 71, 72, 73, 160;
