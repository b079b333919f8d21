# frozen_string_literal: true

module Postern
  autoload :RedirectController, "postern/redirect_controller"

  # For config/routes.rb: a route that checks the user at each click, and redirects to a fresh link.
  module RedirectToFile
    # The routes of Active Storage, which check nobody, reject the signed IDs of this one.
    PURPOSE = :postern_file

    # `may_read` gets the user of `config.postern.subject` and the blob, and returns true or false. `login` is the path of
    # the login page; `options` are those of `url`. `postern_file_url(file)` is the permanent address.
    def redirect_to_file(prefix, may_read, login: nil, download: false, **options)
      options = { disposition: :attachment, **options } if download
      controller = Class.new(RedirectController) { define_method(:settings) { [may_read, login, options] } }
      match "#{prefix.chomp("/")}/:signed_id/*filename", to: controller.action(:show), via: :all, format: false, as: :postern_blob
      direct(:postern_file) { |file, more| route_for(:postern_blob, file.signed_id(purpose: PURPOSE), file.filename, more) }
    end
  end
end
