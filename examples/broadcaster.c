/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Broadcasts a room: the picture of whoever speaks, and the sound of all, to an RTMP server.
 *
 *   cc examples/broadcaster.c -o broadcaster $(pkg-config --cflags --libs gstreamer-1.0)
 *   GST_PLUGIN_PATH=target/release ./broadcaster ws://127.0.0.1:8080 lobby rtmp://127.0.0.1/live/key
 *
 * Join the room with two browsers and talk in turns: the stream shows who talks.
 */

#include <glib-unix.h>
#include <gst/gst.h>
#include <stdio.h>

/* What comes of the room: one picture, one sound, encoded once, as streaming platforms take them. */
#define STUDIO \
  "rtcsfu name=room expose=all " \
  "rtcmcu name=mix layout=single width=640 height=360 video-bitrate=1500000 audio-bitrate=128000 end-with-inputs=false " \
  "mix.video ! h264parse config-interval=-1 ! queue ! mux. " \
  "mix.audio ! aacparse ! queue ! mux. " \
  "flvmux name=mux streamable=true ! rtmp2sink name=platform async=false"

static void
on_unlinked (GstPad *track, GstPad *into, GstElement *mix)
{
  gst_element_release_request_pad (mix, into);
}

/* Every track of the room is mixed as long as it is there; the mixer itself sees whose is whose, and who speaks. */
static void
on_pad_added (GstElement *sfu, GstPad *track, GstElement *mix)
{
  GstPad *into = gst_element_request_pad_simple (mix, "sink_%u");

  g_signal_connect_object (track, "unlinked", G_CALLBACK (on_unlinked), mix, 0);
  if (GST_PAD_LINK_FAILED (gst_pad_link (track, into)))
    g_printerr ("%s cannot be mixed\n", GST_PAD_NAME (track));
  gst_object_unref (into);
}

static void
on_error (GstBus *bus, GstMessage *message, GMainLoop *loop)
{
  GError *error = NULL;

  gst_message_parse_error (message, &error, NULL);
  g_printerr ("%s\n", error->message);
  g_error_free (error);
  g_main_loop_quit (loop);
}

static void
on_element (GstBus *bus, GstMessage *message, gpointer data)
{
  const GstStructure *told = gst_message_get_structure (message);
  gboolean speaking = FALSE;

  if (gst_structure_has_name (told, "rtcsfu-speaking")
      && gst_structure_get_boolean (told, "speaking", &speaking) && speaking)
    g_print ("%s speaks\n", gst_structure_get_string (told, "participant"));
}

static void
on_latency (GstBus *bus, GstMessage *message, GstBin *pipeline)
{
  gst_bin_recalculate_latency (pipeline);
}

static gboolean
on_interrupt (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char *argv[])
{
  GError *error = NULL;
  GMainLoop *loop;
  GstElement *pipeline, *sfu, *mix, *platform;
  GstBus *bus;

  setvbuf (stdout, NULL, _IOLBF, 0);
  gst_init (&argc, &argv);
  pipeline = gst_parse_launch (STUDIO, &error);
  if (pipeline == NULL) {
    g_printerr ("%s: set GST_PLUGIN_PATH to the folder of libgstrtcsfu.so\n", error->message);
    return 1;
  }
  loop = g_main_loop_new (NULL, FALSE);
  sfu = gst_bin_get_by_name (GST_BIN (pipeline), "room");
  mix = gst_bin_get_by_name (GST_BIN (pipeline), "mix");
  platform = gst_bin_get_by_name (GST_BIN (pipeline), "platform");
  g_object_set (platform, "location", argc > 3 ? argv[3] : "rtmp://127.0.0.1/live/key", NULL);
  g_object_set (sfu, "room", argc > 2 ? argv[2] : "lobby", NULL);
  gst_child_proxy_set (GST_CHILD_PROXY (sfu), "signaller::uri", argc > 1 ? argv[1] : "ws://127.0.0.1:8080", NULL);
  g_signal_connect (sfu, "pad-added", G_CALLBACK (on_pad_added), mix);

  bus = gst_element_get_bus (pipeline);
  gst_bus_add_signal_watch (bus);
  g_signal_connect (bus, "message::error", G_CALLBACK (on_error), loop);
  g_signal_connect (bus, "message::element", G_CALLBACK (on_element), NULL);
  g_signal_connect (bus, "message::latency", G_CALLBACK (on_latency), pipeline);
  g_unix_signal_add (SIGINT, on_interrupt, loop);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_print ("broadcasting %s\n", argc > 2 ? argv[2] : "lobby");
  g_main_loop_run (loop);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_signal_watch (bus);
  gst_object_unref (bus);
  gst_object_unref (platform);
  gst_object_unref (mix);
  gst_object_unref (sfu);
  gst_object_unref (pipeline);
  g_main_loop_unref (loop);
  return 0;
}
