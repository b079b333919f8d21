# frozen_string_literal: true

require "erb"
require "json"
require "jwt"
require "net/http"
require "postern/current"
require "securerandom"

module Postern
  # Postern did not answer, or rejected the call.
  class Error < StandardError; end

  # Makes URLs with tokens: signed by this application, or issued by Postern.
  class Tokens
    SETTINGS = %i[tokens issuer audience key_file cache_for api api_key].freeze

    TIMEOUT_SECONDS = 5

    # A revocation reaches so many seconds into the future: the longest POSTERN_JWT_LEEWAY, and two roundings.
    REVOKED_AHEAD = 62

    attr_reader :issuer, :audience, :cache_for

    def initialize(tokens: "signed", issuer: nil, audience: "urn:postern:download", key_file: nil, cache_for: 0, api: "http://127.0.0.1:7301", api_key: nil)
      required = { "signed" => { issuer:, audience:, key_file: }, "issued" => { api:, api_key: } }
      settings = required.fetch(tokens) { raise ArgumentError, "tokens: expected signed or issued, got #{tokens.inspect}" }
      missing = settings.select { |_, value| value.blank? }.keys
      raise ArgumentError, "tokens: #{tokens} needs #{missing.to_sentence}" if missing.any?

      @tokens = tokens
      @issuer = issuer
      @audience = audience
      @key_file = key_file
      @cache_for = cache_for.to_i
      @api = api.chomp("/")
      @api_key = api_key
    end

    # The URL of a file with a new token. The grant has fields of `POST /tokens`; its path is not percent-encoded.
    # A new requester may start within `expires_in` seconds.
    def url(grant, expires_in)
      return issue(grant, expires_in) if @tokens == "issued"

      "#{self.class.encode(grant.fetch(:path))}?token=#{sign(grant, expires_in)}"
    end

    # The address of a path, without a token.
    def self.encode(path)
      path.split("/", -1).map { |segment| ERB::Util.url_encode(segment) }.join("/")
    end

    # Ends all tokens of a subject. Signed ones end if their `iat` is before `signed_before`.
    def revoke_subject(subject)
      call(Net::HTTP::Delete, "/tokens?#{{ subject: }.to_query}")
    end

    # The key with its ID, a hash of its public half (RFC 7638).
    def jwk
      @jwk ||= JWT::JWK.new(key, { use: "sig", alg: key.is_a?(OpenSSL::PKey::RSA) ? "RS256" : "ES256" }, { kid_generator: JWT::JWK::Thumbprint })
    end

    # The default would show the API key.
    def inspect
      "#<#{self.class} #{@tokens}>"
    end

    private
      def key
        @key ||= OpenSSL::PKey.read(File.read(@key_file)).tap do |key|
          known = key.is_a?(OpenSSL::PKey::RSA) || (key.is_a?(OpenSSL::PKey::EC) && key.group.curve_name == "prime256v1")
          raise OpenSSL::PKey::PKeyError, "another key" unless known && key.private?
          raise ArgumentError, "cache_for: expected an RSA key in key_file, because ECDSA never repeats" if @cache_for.positive? && !key.is_a?(OpenSSL::PKey::RSA)
        end
      rescue SystemCallError, OpenSSL::PKey::PKeyError => error
        raise ArgumentError, "key_file: expected a private P-256 or RSA key in PEM at #{@key_file} (#{error.message}). " \
          "Create one: openssl ecparam -name prime256v1 -genkey -noout -out #{@key_file}"
      end

      def sign(grant, expires_in)
        now = Time.now.to_i
        resume_for = grant[:resume_for].to_i
        claims = grant.except(:subject).merge(
          iss: issuer, aud: audience, sub: grant[:subject],
          iat: now, exp: now + expires_in + resume_for,
          # Until when a new requester can start. The others can resume until the token expires.
          start_by: (now + expires_in if resume_for.positive?)
        ).compact
        claims[:jti] = repeat(claims, now, expires_in) || SecureRandom.hex(16)
        # Without this type, any JWT that this key signs for the same audience would be a download token.
        JWT.encode(claims, jwk.signing_key, jwk[:alg], { kid: jwk.kid, typ: "postern+jwt" })
      end

      # Makes the token the same for `cache_for` seconds, so that browsers keep the file. Returns its name.
      def repeat(claims, now, expires_in)
        # Equal tokens would share their uses.
        return if @cache_for.zero? || claims[:max_uses] || claims[:confirm] || claims[:start_by]

        # After a logout that revokes, only the last login separates new links from revoked ones.
        return if claims[:sub] && (claims[:sub] != Current.user&.to_s || Current.since.nil?)

        first = claims[:sub] ? Current.since.to_i + REVOKED_AHEAD : 0
        return if now < first

        start = now - now % @cache_for
        claims.merge!(iat: [start, first].max, exp: start + @cache_for + expires_in)
        OpenSSL::HMAC.hexdigest("SHA256", key.to_der, claims.sort.to_json).first(32)
      end

      def issue(grant, expires_in)
        call(Net::HTTP::Post, "/tokens", grant.merge(expires_in:))["url"] || raise(Error, "the response is not from Postern's API: use the address of POSTERN_API_LISTEN")
      end

      def call(method, path, body = nil)
        raise "api_key: expected one API key in one line, to issue and to revoke tokens" unless /\A[\x21-\x7e]+\z/.match?(@api_key.to_s)

        uri = URI(@api + path)
        request = method.new(uri, "Authorization" => "Bearer #{@api_key}", "Content-Type" => "application/json")
        request.body = JSON.generate(body) if body
        timeouts = { open_timeout: TIMEOUT_SECONDS, read_timeout: TIMEOUT_SECONDS }
        # Without a proxy, which would get the key.
        response = Net::HTTP.start(uri.hostname, uri.port, nil, use_ssl: uri.scheme == "https", **timeouts) { _1.request(request) }
        raise "Postern's API rejected the call: #{response.code} #{response.body}" unless response.is_a?(Net::HTTPSuccess)

        JSON.parse(response.body)
      rescue StandardError => error
        raise Error, error.message, cause: nil
      end
  end
end
