# frozen_string_literal: true

require "active_storage/service/disk_service"
require "postern/current"
require "postern/tokens"

module ActiveStorage
  # Stores blobs as the Disk service does. nginx sends them, at URLs with Postern's tokens.
  class Service::PosternService < Service::DiskService
    # A blob has no extension on disk, and nginx chooses the type by the extension. So a URL names a symbolic link to
    # the blob, with one of these. Browsers show or play these types, and none of them can run a script. A blob of
    # another type can only be saved.
    EXTENSIONS = {
      "image/png" => "png",
      "image/jpeg" => "jpg",
      "image/gif" => "gif",
      "image/webp" => "webp",
      "image/avif" => "avif",
      "application/pdf" => "pdf",
      "video/mp4" => "mp4",
      "video/webm" => "webm",
      "video/quicktime" => "mov",
      "audio/mpeg" => "mp3",
      "audio/mp4" => "m4a",
      "audio/ogg" => "ogg"
    }.freeze
    OTHER = "bin"

    # Where the links are, below the root. The folders of blobs there have names of two characters.
    LINKS = "links"

    # The fields of a token that the service or a call may set. Any other is an error, as in Postern.
    OPTIONS = %i[subject max_uses resume_for bind confirm ip limit_rate].freeze

    # A token may have 255 UTF-16 units, of which a character can take two.
    MAX_NAME_LENGTH = 120

    attr_reader :mount, :site, :tokens

    def initialize(root:, mount:, url: nil, site: nil, options: {}, public: false, **tokens)
      raise ArgumentError, "public: expected false, because a permanent URL has no token" if public
      raise ArgumentError, "mount: expected a prefix such as /download/, got #{mount}" unless mount.match?(%r{\A/([^/]+/)*\z})

      super(root: root)
      @mount = mount
      @url = url.to_s.chomp("/")
      @site = site
      @options = options.symbolize_keys
      @tokens = ::Postern::Tokens.new(**tokens)
    end

    # Unlike that of the base class, the event does not contain the URL: the log would show the token.
    def url(key, **options)
      instrument(:url, key: key) { private_url(key, **options) }
    end

    def delete(key)
      super
      FileUtils.rm_f([*EXTENSIONS.values, OTHER].map { |extension| File.join(root, link_for(key, extension)) })
    end

    private
      def private_url(key, expires_in:, filename:, content_type: nil, disposition: nil, **options)
        options = @options.merge(options)
        options.assert_valid_keys(OPTIONS)
        seconds = expires_in.to_i
        raise ArgumentError, "expires_in: expected a number of seconds, got #{expires_in.inspect}" unless seconds.positive?

        grant = {
          path: mount + make_link(key, content_type),
          site: site,
          filename: clean(filename),
          disposition: disposition.to_s == "attachment" ? "attachment" : "inline",
          subject: ::Postern::Current.subject&.to_s,
          **options
        }
        url = tokens.url(grant.compact, seconds)
        # With POSTERN_PUBLIC_URL, the API adds the origin.
        url.start_with?("/") ? "#{@url}#{url}" : url
      end

      # The extension follows the content, not the name that the uploader chose: a page can be named picture.png.
      def make_link(key, content_type)
        link = link_for(key, EXTENSIONS.fetch(content_type, OTHER))
        file = Pathname(File.expand_path(link, root))
        file.dirname.mkpath
        file.make_symlink(Pathname(path_for(key)).relative_path_from(file.dirname))
        link
      rescue Errno::EEXIST
        # Only this blob has a link of this name, because the extension contains no dot.
        link
      end

      # Older patch versions of Rails do not reject keys that leave the root.
      def link_for(key, extension)
        blob = Pathname(path_for(key)).relative_path_from(File.expand_path(root))
        raise ArgumentError, "key: leaves the root" if blob.to_s.start_with?("..")
        "#{LINKS}/#{blob}.#{extension}"
      end

      # `sanitized` leaves some control characters.
      def clean(filename)
        filename.sanitized.gsub(/[[:cntrl:]]/, "-").last(MAX_NAME_LENGTH).presence || "file"
      end
  end
end
