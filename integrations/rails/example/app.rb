# frozen_string_literal: true

require "rails"
require "active_record/railtie"
require "active_storage/engine"
require "action_controller/railtie"
require "activestorage-postern"

# A small application whose private files nginx sends.
class Example < Rails::Application
  config.root = __dir__
  config.load_defaults Rails::VERSION::STRING.to_f
  config.eager_load = false
  config.secret_key_base = ENV.fetch("SECRET_KEY_BASE")
  config.hosts.clear
  # The example has no sessions, and no programs that analyze pictures.
  config.action_controller.allow_forgery_protection = false
  config.active_storage.analyzers = []
  config.active_storage.service = :private
  config.postern.subject = -> { ActionController::HttpAuthentication::Basic.authenticate(request) { |name, _| name } }

  routes.append do
    root "documents#index"
    resources :documents, only: %i[create show]
    # Permanent addresses: postern_file_path(document.file). Each click is checked.
    redirect_to_file "/files", ->(user, blob) { blob.attachments.any? { |one| one.record.owner == user } }
  end
end

Example.initialize!

class Document < ActiveRecord::Base
  has_one_attached :file
end

class DocumentsController < ActionController::Base
  # This example accepts each name without a password. An application must not.
  before_action { authenticate_or_request_with_http_basic { true } }

  def index
    render inline: <<~ERB
      <!doctype html>
      <html lang="en">
      <meta charset="utf-8">
      <title>Documents</title>
      <h1>Documents of <%= Postern::Current.user %></h1>
      <ul>
      <% documents.each do |document| %>
        <li id="document-<%= document.id %>"><%= link_to document.file.filename, document.file.url %>
          (<%= link_to "for one requester", document_path(document, once: true) %>)</li>
      <% end %>
      </ul>
      <%= form_with url: documents_path, multipart: true do |form| %>
        <%= form.file_field :file, required: true %>
        <%= form.submit "Upload" %>
      <% end %>
    ERB
  end

  def create
    document = documents.create!(file: params.require(:file))
    redirect_to root_path(anchor: "document-#{document.id}")
  end

  # Checks the right to the file at each click. The link on the page works for everyone who has it.
  def show
    document = documents.find(params[:id])
    redirect_to document.file.url(**(params[:once] ? { max_uses: 1, bind: "cookie" } : {})), allow_other_host: true
  end

  private
    helper_method def documents
      Document.where(owner: Postern::Current.user)
    end
end
